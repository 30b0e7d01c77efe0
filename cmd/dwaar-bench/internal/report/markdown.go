package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
)

// Markdown returns the result as tables: a row for each proxy, a column for each
// figure, the ratio to the reference with its interval beside the median.
func (r *Result) Markdown() string {
	var b strings.Builder
	r.preface(&b)
	for _, m := range r.Measured {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", m.Name, upperFirst(m.Title))
		r.table(&b, m)
		r.remarks(&b, m)
	}
	return b.String()
}

// The lines between which a document holds tables.
const (
	begin = "<!-- BEGIN dwaar-bench -->\n"
	end   = "<!-- END dwaar-bench -->\n"
)

// Into returns a document with the tables in place of those it holds between the lines
// <!-- BEGIN dwaar-bench --> and <!-- END dwaar-bench -->; of one without these lines
// nothing is left.
func (r *Result) Into(document string) string {
	before, rest, opened := strings.Cut(document, begin)
	_, after, closed := strings.Cut(rest, end)
	if !opened || !closed {
		return r.Markdown()
	}
	return before + begin + "\n" + r.Markdown() + "\n" + end + after
}

// preface says where, when and how.
func (r *Result) preface(b *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(b, "```\n%s\n```\n\n", strings.Join(r.Command, " "))
	how := "placed by the kernel on all cores"
	if m.Pinned {
		how = "load and upstream on one core, the proxy on another with one worker"
	}
	where := "the machine's own network"
	if m.Namespace {
		where = "a network namespace of its own"
	}
	day, _, _ := strings.Cut(m.When, "T")
	fmt.Fprintf(b, "%s, %d cores of %s, Linux %s; %s; %s, TCP %s; %d rounds of %d ms; %.0f minutes in all.\n",
		day, m.Cores, m.Processor, m.Kernel, how, where, m.Congestion, m.Rounds, m.WindowMS, math.Ceil(r.Seconds/60))
	if m.Others.Rounds > 0 {
		fmt.Fprintf(b, "Meanwhile something else took %.2f cores (median of the samples).\n", max(m.Others.Median, 0))
	}
	b.WriteByte('\n')
	b.WriteString("| proxy | version | set to |\n|---|---|---|\n")
	for _, p := range r.Peers {
		fmt.Fprintf(b, "| %s | %s | %s |\n", p.Name, p.Version, p.Note)
	}
}

// table is one scenario.
func (r *Result) table(b *strings.Builder, m Measured) {
	if len(m.Figures) == 0 {
		b.WriteString("Nobody who took part can do it.\n")
		return
	}
	b.WriteString("| |")
	for _, f := range m.Figures {
		fmt.Fprintf(b, " %s, %s |", f.Name, f.Unit)
		if f.paired() {
			fmt.Fprintf(b, " × %s |", m.Reference)
		}
	}
	b.WriteString("\n|---|")
	for _, f := range m.Figures {
		b.WriteString("---|")
		if f.paired() {
			b.WriteString("---|")
		}
	}
	b.WriteByte('\n')
	for _, p := range append(slices.Clone(r.Peers), Peer{Name: Direct}) {
		r.row(b, m, p.Name)
	}
}

// row is one proxy in a scenario, if it took part.
func (r *Result) row(b *strings.Builder, m Measured, name string) {
	if !took(m, name) {
		return
	}
	fmt.Fprintf(b, "| %s |", name)
	for _, f := range m.Figures {
		v, ok := f.Of[name]
		if !ok || v.Value.Rounds == 0 {
			b.WriteString(" – |")
		} else {
			fmt.Fprintf(b, " %s |", number(v.Value.Median))
		}
		switch {
		case !f.paired():
		case name == m.Reference:
			fmt.Fprintf(b, " itself: %s |", interval(f.Itself))
		case v.Ratio != nil && v.Ratio.Rounds > 0:
			fmt.Fprintf(b, " **%.2f** (%s) |", v.Ratio.Median, interval(v.Ratio))
		default:
			b.WriteString(" |")
		}
	}
	b.WriteByte('\n')
}

// paired reports whether a table has a column for the ratios.
func (f *Figure) paired() bool { return f.Itself != nil && !f.Bare }

func took(m Measured, name string) bool {
	return slices.ContainsFunc(m.Figures, func(f Figure) bool { _, ok := f.Of[name]; return ok })
}

// remarks are what stands below a table: calls by name, failures, who is missing.
func (r *Result) remarks(b *strings.Builder, m Measured) {
	var lines []string
	for _, p := range r.Peers {
		if calls := m.Calls[p.Name]; calls != nil {
			lines = append(lines, fmt.Sprintf("%s: %s", p.Name, callList(calls)))
		}
		if failures := m.Counted[p.Name]; len(failures) > 1 || failures != nil && failures[Done] == 0 {
			lines = append(lines, fmt.Sprintf("%s: %d done, %s", p.Name, failures[Done], failureList(failures)))
		}
		if why := m.Missing[p.Name]; why != "" {
			lines = append(lines, fmt.Sprintf("%s is missing: %s", p.Name, strings.ReplaceAll(why, "\n", " ")))
		}
	}
	for i, line := range lines {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "- %s\n", line)
	}
}

// callList is the calls of a proxy, the most frequent first.
func callList(calls map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(calls), func(a, b string) int {
		if calls[a] != calls[b] {
			return -int(math.Copysign(1, calls[a]-calls[b]))
		}
		return strings.Compare(a, b)
	})
	var words []string
	for _, n := range names {
		if calls[n] >= 0.05 {
			words = append(words, fmt.Sprintf("%s %.3g", n, calls[n]))
		}
	}
	return strings.Join(words, ", ")
}

func failureList(failures map[string]int) string {
	var words []string
	for _, what := range slices.Sorted(maps.Keys(failures)) {
		if what != Done {
			words = append(words, fmt.Sprintf("%d %s", failures[what], what))
		}
	}
	return strings.Join(words, ", ")
}

func interval(e *figures.Estimate) string { return fmt.Sprintf("%.2f–%.2f", e.Low, e.High) }

// number is about three digits.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
