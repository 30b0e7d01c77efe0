package schema

import (
	"fmt"
	"io"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Usage returns how a directive is written, on one line: "proxy [ADDR…] { … }".
func Usage(spec *sdk.Spec) string {
	var b strings.Builder
	b.WriteString(spec.Name)
	for _, a := range spec.Args {
		b.WriteByte(' ')
		b.WriteString(argUsage(a))
	}
	switch {
	case spec.Block == nil:
	case spec.Need:
		b.WriteString(" { … }")
	default:
		b.WriteString(" [{ … }]")
	}
	return b.String()
}

func argUsage(a sdk.Arg) string {
	name := a.Name
	if a.Shape == sdk.Enum {
		name = strings.Join(a.Words, "|")
	} else if len(a.Words) > 0 {
		name += "|" + strings.Join(a.Words, "|")
	}
	if a.Max < 0 || a.Max > 1 {
		name += "…"
	}
	if a.Min == 0 {
		name = "[" + name + "]"
	}
	return name
}

// Help prints what there is to say of a directive: usage, what it does, options
// with their defaults, the facts it makes known.
func Help(w io.Writer, spec *sdk.Spec) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s.\n", Usage(spec), spec.Doc)
	if len(spec.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso written: %s\n", strings.Join(spec.Aliases, ", "))
	}
	if spec.Block != nil && len(spec.Block.Options) > 0 {
		b.WriteString("\nOptions:\n")
		options(&b, spec.Block.Options, "  ")
	}
	if spec.Block != nil && spec.Block.Line != nil {
		b.WriteString("\nLines:\n")
		options(&b, []sdk.Spec{*spec.Block.Line}, "  ")
	}
	if len(spec.Facts) > 0 {
		b.WriteString("\nFacts:\n")
		for _, f := range spec.Facts {
			fmt.Fprintf(&b, "  {%s.%s}  %s\n", spec.Name, f.Key, f.Doc)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func options(b *strings.Builder, specs []sdk.Spec, indent string) {
	for i := range specs {
		o := &specs[i]
		fmt.Fprintf(b, "%s%s\n%s      %s%s\n", indent, Usage(o), indent, o.Doc, defaultOf(o))
		if o.Block != nil && !o.Negates {
			options(b, o.Block.Options, indent+"    ")
		}
	}
}

func defaultOf(o *sdk.Spec) string {
	if o.Default == "" {
		return ""
	}
	return " [" + o.Default + "]"
}

func names(specs []sdk.Spec) []string {
	var all []string
	for _, s := range specs {
		all = append(append(all, s.Name), s.Aliases...)
	}
	return all
}

// suggestion proposes the nearest of the words that could stand there.
func suggestion(name string, words []string) string {
	best := Nearest(name, words)
	if len(name) > longest {
		words = nil // nobody meant one of ours
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(words) == 0:
		return "leave it out"
	case len(words) <= 12:
		return "here stand " + strings.Join(words, ", ")
	}
	return "`dwaar help directives` lists what there is"
}

// meant returns ": did you mean" and the one of a few words that a mistake of a letter
// or two makes text of, or "". The words have been listed already.
func meant(text string, words []string) string {
	best, least := "", len(text)/3+1
	if len(text) > longest {
		return ""
	}
	for _, w := range words {
		switch d := distance(strings.ToLower(text), strings.ToLower(w)); {
		case d < least:
			best, least = w, d
		case d == least:
			best = "" // either
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is the number of letters to insert, delete, replace or swap between
// two words.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}
