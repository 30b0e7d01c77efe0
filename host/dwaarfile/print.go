package dwaarfile

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// ErrTree is the error of a tree that no text can stand for: a name that is no
// word, a block deeper than can be read.
var ErrTree = errors.New("printing the tree: no text would be read as this tree again")

// Print writes a tree as a Dwaarfile in line form, as fmt does: a directive a
// line, blocks indented by tabs, quotes only where a word would be read otherwise.
// Comments stay. Blank lines stand between the parts of a file; elsewhere one stays
// between two directives that had some, going by their positions. A matcher set that was on one line stays there; in a
// tree without positions that is a set of one matcher whose options have no
// blocks.
//
// What it writes is read again as the same tree ([Equal]) and printed again as the
// same text; it fails with [ErrTree] if that cannot be.
func Print(w io.Writer, tree []sdk.Node, g *sdk.Grammar) error {
	p := newPrinter(tree, g)
	p.nodes(tree, guess(p.g, firstNode(tree)))
	again, err := ParseRaw("", p.out.Bytes(), g)
	if err != nil || !Equal(again, tree) {
		return ErrTree
	}
	_, err = w.Write(p.out.Bytes())
	return err
}

type printer struct {
	out    bytes.Buffer
	g      *sdk.Grammar
	indent string
	reader *loader
	bodies map[*sdk.Node]*scope // of snippets
	names  map[string]bool      // every word that can be a directive
	plain  sdk.Grammar          // without what the tree declares: the global options are read with it
}

func newPrinter(tree []sdk.Node, g *sdk.Grammar) *printer {
	reader := newLoader("", g, Options{Raw: true})
	p := &printer{g: reader.g, plain: *reader.g.Clone(), reader: reader, bodies: map[*sdk.Node]*scope{}}
	p.reader.lenient = !isWhole(tree, g)
	for _, n := range tree {
		if n.Name == "" {
			declare(reader.g, n.Block)
		}
	}
	places{}.visit(p.g, tree, guess(p.g, firstNode(tree)), func(n *sdk.Node, s *scope) { p.bodies[n] = s },
		func(n *sdk.Node) string { return firstNode(n.Block) })
	p.names = namesOf(p.g)
	return p
}

// isWhole reports whether all matchers are declared in the tree itself: it is neither
// part of a configuration nor made of parts.
func isWhole(tree []sdk.Node, g *sdk.Grammar) bool {
	known := false
	for _, n := range tree {
		known = known || n.Name == "" && n.Block != nil || sdk.Find(g.Top, n.Name) != nil
		if n.Name == importWord || n.Name == "" && n.Find(importWord) != nil {
			return false
		}
	}
	return known
}

// firstNode returns the name of the first directive.
func firstNode(nodes []sdk.Node) string {
	if nodes = withoutNotes(nodes); len(nodes) > 0 {
		return nodes[0].Name
	}
	return ""
}

func (p *printer) nodes(nodes []sdk.Node, s *scope) {
	for i := range nodes {
		if i > 0 && p.gap(&nodes[i-1], &nodes[i], s) {
			p.out.WriteByte('\n')
		}
		p.node(&nodes[i], s)
	}
}

func (p *printer) node(n *sdk.Node, s *scope) {
	p.notes(n.Above)
	if isNote(n) {
		return
	}
	p.out.WriteString(p.indent)
	if text, ok := p.onLine(n, s); ok {
		p.out.WriteString(text)
		p.beside(n)
		return
	}
	head := p.head(n, s)
	p.out.WriteString(head)
	if n.Block != nil {
		if head != "" {
			p.out.WriteByte(' ')
		}
		p.out.WriteByte('{')
	}
	p.beside(n)
	if n.Block != nil {
		p.block(n, s)
	}
}

// block writes what follows the line of an opening brace.
func (p *printer) block(n *sdk.Node, s *scope) {
	in, ok := p.bodies[n]
	if !ok {
		in = s.inside(n)
	}
	outer := p.indent
	p.indent += "\t"
	if known := *p.g; n.Name == "" && s.top {
		*p.g = p.plain
		defer func() { *p.g = known }()
	}
	p.nodes(n.Block, in)
	p.notes(n.Below)
	p.indent = outer
	p.out.WriteString(outer + "}\n")
}

func (p *printer) notes(notes []string) {
	for _, text := range notes {
		p.out.WriteString(p.indent + note(text) + "\n")
	}
}

func (p *printer) beside(n *sdk.Node) {
	if n.Beside != "" {
		p.out.WriteString(" " + note(n.Beside))
	}
	p.out.WriteByte('\n')
}

// note writes a comment, which is one line whoever made it.
func note(text string) string {
	return "#" + strings.TrimRight(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' }), " "), " \t\r")
}

// gap reports whether a blank line stands between two nodes.
func (p *printer) gap(prev, n *sdk.Node, s *scope) bool {
	if s.top && s.holds == 0 && (prev.Block != nil || n.Block != nil) {
		return true
	}
	if !sameText(prev.Pos, n.Pos) {
		return s.top || s.holds&sdk.HoldsServers != 0 || n.Name == p.g.Route.Name && s.find(n.Name) == &p.g.Route
	}
	return n.Pos.Line-len(n.Above)-lastLine(prev) > 1
}

// sameText reports whether two places are of one Dwaarfile, so that the lines between them
// say how it was laid out.
func sameText(a, b sdk.Pos) bool {
	return a.Line > 0 && b.Line > 0 && a.File == b.File && !isTOML(a.File)
}

// isTOML reports whether a file is TOML, whose lines say nothing about the layout of a
// Dwaarfile.
func isTOML(name string) bool { return strings.HasSuffix(name, ".toml") }

// lastLine returns the line on which n ends when it is laid out.
func lastLine(n *sdk.Node) int {
	line := n.Pos.Line + strings.Count(n.Name, "\n")
	for _, w := range n.Args {
		line = max(line, w.Pos.Line+strings.Count(quote(w, false), "\n"))
	}
	if n.Block == nil {
		return line
	}
	if len(n.Block) == 0 {
		return line + len(n.Below) + 1
	}
	last := lastLine(&n.Block[len(n.Block)-1])
	if n.Block[0].Pos.Line == n.Pos.Line && last == n.Pos.Line {
		return line
	}
	return last + len(n.Below) + 1
}
