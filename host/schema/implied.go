package schema

import (
	"slices"

	"dwaar.dev/dwaar/sdk"
)

// Complete writes into a tree, in front of the option that says so, each option that
// another one in its block implies ([sdk.Spec.Implies]). A block that imports something
// stays as it is: the option may come from there.
func Complete(tree []sdk.Node, g *sdk.Grammar) {
	c := &checker{g: g}
	for i := range tree {
		n := &tree[i]
		switch spec := sdk.Find(g.Top, n.Name); {
		case spec != nil:
			c.complete(n, spec, nil)
		case n.Name == "" && i == 0:
			c.complete(n, &g.Global, nil)
		}
	}
}

// complete does this for the block of n. outer is the spec of the block it is in.
func (c *checker) complete(n *sdk.Node, spec, outer *sdk.Spec) {
	b := blockOf(spec, outer)
	if b == nil {
		return
	}
	at, missing := -1, ""
	for i := range n.Block {
		kid := &n.Block[i]
		ks := c.find(b, kid)
		if ks == nil {
			continue
		}
		c.complete(kid, ks, spec)
		if at < 0 && ks.Implies != "" {
			at, missing = i, ks.Implies
		}
	}
	if at >= 0 && n.Find(missing) == nil && n.Find("import") == nil {
		n.Block = slices.Insert(n.Block, at, sdk.Node{Name: missing, Pos: n.Block[at].Pos})
	}
}
