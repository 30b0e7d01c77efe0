package dwaarfile

import (
	"dwaar.dev/dwaar/sdk"
)

// places records in what scopes snippets are imported: what a word in a snippet
// means depends on the block that imports it.
type places map[string]*scope

// find looks for imports in nodes, which stand in s. The first import of a
// snippet decides.
func (ps places) find(nodes []sdk.Node, s *scope) {
	for i := range nodes {
		n := &nodes[i]
		switch {
		case n.Name == importWord && len(n.Args) > 0:
			if name := "(" + n.Args[0].Text + ")"; ps[name] == nil {
				ps[name] = s
			}
		case !isSnippet(n.Name) && n.Block != nil:
			ps.find(n.Block, s.inside(n))
		}
	}
}

// readSnippets reads the bodies of the snippets of ParseRaw: first those whose
// place is known, then what these import, in the end those nobody imports.
func (p *parser) readSnippets(nodes []sdk.Node, s *scope) {
	if p.o.Raw {
		places{}.visit(p.g, nodes, s, func(n *sdk.Node, in *scope) {
			b := p.bodies[n.Name][0]
			p.bodies[n.Name] = p.bodies[n.Name][1:]
			inner := &parser{loader: p.loader, toks: b.toks}
			n.Block = inner.nodes(in.as(b.flat))
			n.Below = inner.takeNotes()
		}, func(n *sdk.Node) string { return firstName(p.bodies[n.Name][0].toks) })
	}
}

// visit calls each for every snippet of a file with the scope of its body. first
// tells with what directive a snippet begins that nobody imports.
func (ps places) visit(g *sdk.Grammar, nodes []sdk.Node, s *scope, each func(*sdk.Node, *scope), first func(*sdk.Node) string) {
	done := map[*sdk.Node]bool{}
	visit := func(n *sdk.Node, in *scope) {
		each(n, in)
		ps.find(n.Block, in)
		done[n] = true
	}
	ps.find(nodes, s)
	for progress := true; progress; {
		progress = false
		for i := range nodes {
			n := &nodes[i]
			if in := ps[n.Name]; in != nil && isSnippet(n.Name) && !done[n] {
				visit(n, in)
				progress = true
			}
		}
	}
	for i := range nodes {
		if n := &nodes[i]; isSnippet(n.Name) && !done[n] {
			in := guess(g, first(n))
			in.top = false
			visit(n, in)
		}
	}
}
