package main

import (
	"fmt"
	"io"
	"strings"

	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/sdk"
)

const referenceHead = `# Reference

Everything that can be written in a Dwaarfile. This page is printed by
` + "`dwaar help --markdown`" + ` from the descriptions the program itself checks files by;
` + "`dwaar help NAME`" + ` shows one entry. Square brackets are optional, … means several,
a default stands in brackets behind its option.
`

// writeReference prints docs/reference.md.
func writeReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, g := range groups(graph.Grammar(registry())) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", g.title, g.doc)
		for i := range g.specs {
			referenceEntry(&b, &g.specs[i])
		}
	}
	b.WriteString("\n## Placeholders\n\n" + placeholdersHelp + "\nEvery connection has, as far as its network does: ")
	for i, f := range everyFact() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "`%s`", f)
	}
	b.WriteString(".\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func referenceEntry(b *strings.Builder, s *sdk.Spec) {
	fmt.Fprintf(b, "\n### %s\n\n```\n%s\n```\n\n%s.%s\n", s.Name, schema.Usage(s), prose(s.Doc), bracketed(s.Default))
	if len(s.Aliases) > 0 {
		fmt.Fprintf(b, "\nAlso written: %s.\n", strings.Join(s.Aliases, ", "))
	}
	if s.Ends {
		b.WriteString("\nIt ends the connection: nothing behind it runs.\n")
	}
	if s.Block != nil {
		if len(s.Block.Options) > 0 || s.Block.Line != nil {
			b.WriteByte('\n')
		}
		referenceOptions(b, s.Block, "")
	}
	if s.Name == addressName {
		b.WriteString("\n| address | |\n|---|---|\n")
		for _, f := range graph.AddressForms() {
			fmt.Fprintf(b, "| `%s` | %s |\n", f.Example, prose(f.Doc))
		}
	}
	for i, f := range s.Facts {
		if i == 0 {
			b.WriteString("\n| fact | what it is |\n|---|---|\n")
		}
		fmt.Fprintf(b, "| `{%s.%s}` | %s |\n", s.Name, f.Key, prose(f.Doc))
	}
}

func referenceOptions(b *strings.Builder, block *sdk.Block, indent string) {
	specs := block.Options
	if block.Line != nil {
		specs = append(specs[:len(specs):len(specs)], *block.Line)
	}
	for i := range specs {
		o := &specs[i]
		fmt.Fprintf(b, "%s- `%s`: %s%s\n", indent, schema.Usage(o), prose(o.Doc), bracketed(o.Default))
		if o.Block != nil && !o.Negates {
			referenceOptions(b, o.Block, indent+"  ")
		}
	}
}

// prose keeps text from being read as Markdown.
func prose(text string) string {
	return strings.NewReplacer("*", `\*`, "|", `\|`, "<", "&lt;", "[", `\[`).Replace(text)
}

func bracketed(text string) string {
	if text == "" {
		return ""
	}
	return " [" + prose(text) + "]"
}
