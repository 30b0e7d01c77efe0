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
func (p *parser) readSnippets(nodes []sdk.Node) {
	ps := places{}
	ps.find(nodes, topScope(p.g))
	for progress := true; progress; {
		progress = false
		for i := range nodes {
			n := &nodes[i]
			if s := ps[n.Name]; s != nil && isSnippet(n.Name) && n.Block == nil {
				p.readBody(n, s)
				ps.find(n.Block, s)
				progress = true
			}
		}
	}
	for i := range nodes {
		if n := &nodes[i]; isSnippet(n.Name) && n.Block == nil {
			p.readBody(n, guess(p.g, firstName(p.bodies[n.Name].toks)))
		}
	}
}

func (p *parser) readBody(n *sdk.Node, s *scope) {
	b := p.bodies[n.Name]
	in := &parser{loader: p.loader, toks: b.toks}
	n.Block = in.nodes(s.as(b.flat))
	n.Below = in.takeNotes()
}
