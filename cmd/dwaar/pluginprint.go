package main

import (
	"fmt"
	"strings"

	"dwaar.dev/dwaar/cmd/dwaar/internal/kit"
)

// portion is how much of a budget was taken, in per cent.
func portion(used, budget int64) string {
	return fmt.Sprintf("%.1f%%", 100*float64(used)/float64(max(budget, 1)))
}

// count says how many of something there are.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (a *app) printInspection(in *kit.Inspection) {
	fmt.Fprintln(a.out, in.File)
	s := in.Survey
	fmt.Fprintf(a.out, "  sha256 %s\n  %d bytes", s.SHA256, s.Size)
	if s.Rewritten > 0 {
		fmt.Fprintf(a.out, ", %d with fuel and marks, %s\n", s.Rewritten, count(s.Functions, "function"))
		fmt.Fprintf(a.out, "  memory of %d to %d pages of 64 KiB, %s put back after each evaluation\n", s.Pages, s.MaxPages, count(s.Globals, "global"))
	} else {
		fmt.Fprintln(a.out)
	}
	a.list("imports", s.Imports)
	a.list("exports", s.Exports)
	if len(s.Manifest) > 0 {
		fmt.Fprintf(a.out, "  manifest of %d bytes\n", len(s.Manifest))
	}
	if d := in.Plugin; d != nil {
		if d.Title != "" {
			fmt.Fprintf(a.out, "    says it is %s, licence %s\n", d.Title, dash(d.Licence))
		}
		fmt.Fprintf(a.out, "  limits: memory of %d pages, fuel %d for an evaluation and 100 for each byte\n", d.MaxPages, d.Fuel)
		fmt.Fprintf(a.out, "  may read the first bytes, the addresses, and of earlier phases what its declaration allows with reads [%s]\n", strings.Join(d.Reads, " "))
		if !in.Datagrams {
			fmt.Fprintln(a.out, "  for listeners of streams: it has no room for 64 KiB of datagrams, and no configuration with a listener udp/ can load it")
		}
		for _, m := range d.Matchers {
			fmt.Fprintf(a.out, "  matcher %s: sets %s\n", m.Name, strings.Join(m.Facts, " "))
			if m.Doc != "" {
				fmt.Fprintf(a.out, "    %s\n", m.Doc)
			}
		}
	}
	for _, text := range in.Problems {
		fmt.Fprintf(a.out, "\nproblem: %s\n", text)
	}
	for _, text := range in.Advice {
		fmt.Fprintf(a.out, "\nadvice: %s\n", text)
	}
}

func (a *app) list(title string, lines []string) {
	for i, line := range lines {
		if i == 0 {
			fmt.Fprintf(a.out, "  %s\n", title)
		}
		fmt.Fprintf(a.out, "    %s\n", line)
	}
}

// printReport prints what each matcher says of each sample.
func (a *app) printReport(r *kit.Report, o kit.TestOptions) {
	fmt.Fprintf(a.out, "%s, %d bytes, sha256 %s\n", r.Plugin.Path, r.Plugin.Size, r.Plugin.SHA256)
	name, answer := 0, 0
	for _, x := range r.Answers {
		name, answer = max(name, len(x.Sample)), max(answer, len(x.Answer))
	}
	line, dearest := "", kit.Answer{}
	for i, x := range r.Answers {
		if i == 0 || x.Matcher != line {
			line = x.Matcher
			fmt.Fprintf(a.out, "\n%s\n", line)
		}
		fmt.Fprintf(a.out, "  %-*s  %-*s  %6s of its fuel\n", name, x.Sample, min(answer, 40), x.Answer, portion(x.Fuel, x.Budget))
		for _, text := range x.Logs {
			fmt.Fprintf(a.out, "  %*s  logs: %s\n", name, "", text)
		}
		if x.Failed {
			a.difference(&x, name)
		}
		if x.Fuel*max(dearest.Budget, 1) >= dearest.Fuel*x.Budget {
			dearest = x
		}
	}
	for _, b := range r.Broken {
		fmt.Fprintf(a.out, "\n%s breaks a law:\n  %s\n", b.Matcher, b.Law)
	}
	for _, s := range r.Stale {
		fmt.Fprintf(a.out, "\n%s is written down and is no sample: --update takes it out\n", s)
	}
	fmt.Fprintf(a.out, "\n%s; the dearest takes %s of its fuel\n", summary(r, o), portion(dearest.Fuel, dearest.Budget))
}

// difference says what an answer was to be.
func (a *app) difference(x *kit.Answer, indent int) {
	switch {
	case x.Want != "":
		fmt.Fprintf(a.out, "  %*s  - %s\n  %*s  + %s\n", indent, "", x.Want, indent, "", x.Answer)
	case !strings.HasPrefix(x.Answer, "error: "):
		fmt.Fprintf(a.out, "  %*s  is not written down: if it is right, --update does that\n", indent, "")
	}
}

func summary(r *kit.Report, o kit.TestOptions) string {
	said := count(len(r.Answers), "verdict")
	switch {
	case r.Updated != "":
		said += ", written to " + r.Updated
	case r.Failures > 0:
		said += ", " + count(r.Failures, "fault")
	case len(r.Answers) == 1:
		said += ", as it should be"
	default:
		said += ", as they should be"
	}
	if o.Split && len(r.Broken) == 0 {
		said += ", however the bytes arrive"
	}
	return said
}

func (a *app) printReplayed(all *kit.Replayed) {
	for _, d := range all.Different {
		name := strings.TrimSuffix(d.Plugin+"."+d.Matcher, ".")
		fmt.Fprintf(a.out, "record %d, %s, %d bytes %.60q\n", d.Record, name, len(d.Head), d.Head)
		for line := range strings.Lines(d.Diff) {
			fmt.Fprintf(a.out, "  %s", line)
		}
	}
	fmt.Fprintf(a.out, "%s, %d with the same outcome, %d differ\n", count(all.Records, "record"), all.Same, all.Differing)
	if all.Other > 0 {
		fmt.Fprintf(a.out, "%d were made with another module than %.12s: of those the fuel is not compared\n", all.Other, all.Module)
	}
}
