package schema

import "dwaar.dev/dwaar/sdk"

// declaring returns the grammar that a tree is checked by: g with the matchers that
// the tree declares.
func declaring(tree []sdk.Node, g *sdk.Grammar) *sdk.Grammar {
	g = g.Clone()
	if len(tree) > 0 && tree[0].Name == "" {
		for i := range tree[0].Block {
			g.Declare(&tree[0].Block[i])
		}
	}
	return g
}

// declaredSpec describes a matcher that a configuration declares: whoever declared it
// knows what its words mean.
func declaredSpec(name string) *sdk.Spec {
	line := &sdk.Spec{Name: "OPTION", Many: true, Args: []sdk.Arg{sdk.List("ARGUMENT", sdk.Free)}}
	line.Block = &sdk.Block{Line: line}
	return &sdk.Spec{Name: name, Many: true, Args: line.Args, Block: line.Block}
}

// matcher returns the description of a matcher, or nil.
func (c *checker) matcher(name string) *sdk.Spec {
	if c.g.Owner(name) != "" {
		return declaredSpec(name)
	}
	return sdk.Find(c.g.Matchers, name)
}

// Matchers returns the matchers in a tree, in order: those in sets, in subroutes and
// behind not. Options of a matcher are not among them.
func Matchers(tree []sdk.Node, g *sdk.Grammar) []*sdk.Node {
	c := &checker{g: declaring(tree, g)}
	var found []*sdk.Node
	for i := range tree {
		spec := sdk.Find(g.Top, tree[i].Name)
		if i == 0 && tree[i].Name == "" {
			spec = &g.Global
		}
		if spec != nil {
			c.matchers(&tree[i], spec, &found)
		}
	}
	return found
}

// matchers adds those in the block of n, which spec describes.
func (c *checker) matchers(n *sdk.Node, spec *sdk.Spec, found *[]*sdk.Node) {
	if spec.Block == nil {
		return
	}
	for i := range n.Block {
		kid := &n.Block[i]
		ks := c.find(spec.Block, kid)
		if ks == nil {
			continue
		}
		if spec.Block.Holds&sdk.HoldsMatchers != 0 && sdk.Find(spec.Block.Options, kid.Name) == nil {
			*found = append(*found, kid)
		}
		c.matchers(kid, ks, found)
	}
}
