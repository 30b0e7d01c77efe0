// Package schema holds a tree of directives against the descriptions of what a
// configuration can say, and prints these descriptions for people.
//
//	faults := schema.Check(tree, grammar, os.LookupEnv)   // every fault at once
//	schema.Help(os.Stdout, spec)          // what --help and the docs show
//
// It knows names, counts and shapes; what a value means is the business of the
// directive's own constructor. A tree from TOML is checked by the same rules.
package schema

import (
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Faults are what is wrong with a tree: each fault, and the directives that have one
// in them, so that the sound ones can be looked at further.
type Faults struct {
	Errors   sdk.Errors
	Warnings sdk.Errors // what is allowed and probably not meant
	nodes    map[*sdk.Node]bool
}

// In reports whether a directive of the checked tree, or something in its block, has
// a fault.
func (f *Faults) In(n *sdk.Node) bool { return f.nodes[n] }

// Check finds what is wrong with a tree. It fills {env.NAME} in where addresses
// stand; env may be nil. Matchers that the tree itself declares take anything here.
func Check(tree []sdk.Node, g *sdk.Grammar, env func(string) (string, bool)) *Faults {
	c := &checker{g: declaring(tree, g), env: env, Faults: Faults{nodes: map[*sdk.Node]bool{}}}
	for i := range tree {
		c.within(&tree[i], func() { c.top(&tree[i], i == 0) })
	}
	return &c.Faults
}

type checker struct {
	Faults
	g   *sdk.Grammar
	env func(string) (string, bool)
}

func (c *checker) add(e *sdk.Error) { c.Errors = append(c.Errors, e) }

// within checks a node and notes whether a fault was found.
func (c *checker) within(n *sdk.Node, check func()) {
	before := len(c.Errors)
	check()
	if len(c.Errors) > before {
		c.nodes[n] = true
	}
}

func (c *checker) top(n *sdk.Node, first bool) {
	if n.Name == "" && first {
		c.block(n, &c.g.Global, nil)
		return
	}
	spec := sdk.Find(c.g.Top, n.Name)
	if spec == nil {
		c.add(sdk.Errorf(n.Pos, "unknown directive %q at the top level: %s", n.Name, c.topHint(n)))
		return
	}
	c.directive(n, spec, nil)
}

func (c *checker) topHint(n *sdk.Node) string {
	switch {
	case sdk.Find(c.g.Global.Block.Options, n.Name) != nil:
		return "it belongs into the block of global options, { … } at the top of the file"
	case IsAddress(n.Name):
		return "an address stands inside layer4 { … }"
	}
	return suggestion(n.Name, names(c.g.Top))
}

// directive checks one node by its spec. outer is the spec of the block it is in.
func (c *checker) directive(n *sdk.Node, spec, outer *sdk.Spec) {
	c.args(n, spec)
	switch {
	case n.Block != nil && spec.Block == nil:
		c.add(sdk.Errorf(n.Pos, "%s takes no block: write %s", n.Name, Usage(spec)))
	case n.Block == nil && spec.Need:
		c.add(sdk.Errorf(n.Pos, "%s needs a block: write %s", n.Name, Usage(spec)))
	case n.Block != nil:
		c.block(n, spec, outer)
	}
}

// block checks the nodes in the block of n.
func (c *checker) block(n *sdk.Node, spec, outer *sdk.Spec) {
	b := blockOf(spec, outer)
	beside := c.vocabulary(b)
	seen := map[string]sdk.Pos{}
	for i := range n.Block {
		kid := &n.Block[i]
		c.within(kid, func() {
			ks := c.find(b, kid)
			if ks == nil {
				c.unknown(kid, n, b, beside, outer)
				return
			}
			if first, twice := seen[ks.Name]; twice && !ks.Many {
				c.add(sdk.Errorf(kid.Pos, "%s is given twice: leave this one out, the first is at %s", kid.Name, first))
			} else if !twice {
				seen[ks.Name] = kid.Pos
			}
			c.directive(kid, ks, spec)
		})
	}
}

// blockOf returns what may stand in a directive's block, or nil. outer is the spec of the
// block that the directive is in.
func blockOf(spec, outer *sdk.Spec) *sdk.Block {
	if spec.Negates && outer != nil {
		return &sdk.Block{Options: withoutNegates(outer.Block.Options)}
	}
	return spec.Block
}

// find returns the spec of a node in a block, or nil.
func (c *checker) find(b *sdk.Block, n *sdk.Node) *sdk.Spec {
	if spec := sdk.Find(b.Options, n.Name); spec != nil {
		return spec
	}
	switch {
	case b.Holds&sdk.HoldsRoutes != 0 && c.rule(n.Name) != nil:
		return c.rule(n.Name)
	case b.Holds&sdk.HoldsRoutes != 0 && len(n.Name) > 1 && n.Name[0] == '@':
		return setSpec(n.Name)
	case b.Holds&sdk.HoldsServers != 0 && IsAddress(n.Name):
		spec := c.g.Server
		spec.Name = n.Name
		return &spec
	}
	return c.registered(b, n)
}

// rule returns the spec of route or deny, or nil.
func (c *checker) rule(name string) *sdk.Spec {
	switch {
	case name == "":
		return nil
	case name == c.g.Route.Name:
		return &c.g.Route
	case name == c.g.Deny.Name:
		return &c.g.Deny
	}
	return nil
}

// registered returns the spec of a matcher or handler, or of a line whose name is
// the user's own, or nil.
func (c *checker) registered(b *sdk.Block, n *sdk.Node) *sdk.Spec {
	if b.Holds&sdk.HoldsMatchers != 0 {
		if spec := many(c.matcher(n.Name)); spec != nil {
			return spec
		}
	}
	if b.Holds&sdk.HoldsHandlers != 0 {
		return many(sdk.Find(c.g.Handlers, n.Name))
	}
	if b.Line != nil {
		line := *b.Line
		line.Name = n.Name
		return &line
	}
	return nil
}

// IsAddress tells the address of a server from a mistyped option.
func IsAddress(name string) bool { return strings.ContainsAny(name, ":/") }

// setSpec describes a matcher set. Its name is unique in its block.
func setSpec(name string) *sdk.Spec {
	return &sdk.Spec{Name: name, Need: true, Block: &sdk.Block{Holds: sdk.HoldsMatchers}}
}

// many lets matchers and handlers be repeated in their block.
func many(spec *sdk.Spec) *sdk.Spec {
	if spec == nil {
		return nil
	}
	m := *spec
	m.Many = true
	return &m
}

func withoutNegates(options []sdk.Spec) []sdk.Spec {
	var own []sdk.Spec
	for _, o := range options {
		if !o.Negates {
			o.Many = true
			own = append(own, o)
		}
	}
	return own
}

// vocabulary lists what may stand in a block.
func (c *checker) vocabulary(b *sdk.Block) []sdk.Spec {
	all := append([]sdk.Spec(nil), b.Options...)
	if b.Holds&sdk.HoldsRoutes != 0 {
		all = append(all, c.g.Route)
		if c.g.Deny.Name != "" {
			all = append(all, c.g.Deny)
		}
	}
	if b.Holds&sdk.HoldsMatchers != 0 {
		all = append(all, c.g.Matchers...)
		for _, name := range c.g.Declared {
			all = append(all, *declaredSpec(name))
		}
	}
	if b.Holds&sdk.HoldsHandlers != 0 {
		all = append(all, c.g.Handlers...)
	}
	return all
}

func (c *checker) unknown(n, in *sdk.Node, b *sdk.Block, beside []sdk.Spec, outer *sdk.Spec) {
	kind := "directive"
	switch {
	case b.Holds&sdk.HoldsMatchers != 0:
		kind = "matcher"
	case b.Holds&sdk.HoldsHandlers != 0:
		kind = "handler"
	case b.Holds == 0:
		kind = "option"
	}
	where := in.Name
	if where == "" {
		where = "the global options"
	}
	hint := c.misplaced(n, b, outer)
	if hint == "" {
		hint = c.unknownHint(n, b, beside)
	}
	c.add(sdk.Errorf(n.Pos, "unknown %s %q in %s: %s", kind, n.Name, where, hint))
}

// misplaced says where an option belongs that stands one block too far out or in, or
// returns "".
func (c *checker) misplaced(n *sdk.Node, b *sdk.Block, outer *sdk.Spec) string {
	if b.Holds != 0 {
		return ""
	}
	for _, o := range b.Options {
		if o.Block != nil && !o.Negates && sdk.Find(o.Block.Options, n.Name) != nil {
			return "it belongs into the block of " + o.Name
		}
	}
	if outer != nil && outer.Block.Holds == 0 && sdk.Find(outer.Block.Options, n.Name) != nil {
		return "it belongs into the block of " + outer.Name
	}
	return ""
}

// unknownHint says what to write instead of a word that is unknown here.
func (c *checker) unknownHint(n *sdk.Node, b *sdk.Block, beside []sdk.Spec) string {
	matcher, handler := c.matcher(n.Name), sdk.Find(c.g.Handlers, n.Name)
	switch {
	case b.Holds&sdk.HoldsHandlers != 0 && matcher != nil:
		return "it is a matcher: write @name " + n.Name + " beside the route, and route @name"
	case b.Holds&(sdk.HoldsRoutes|sdk.HoldsMatchers) != 0 && handler != nil:
		return "it is a handler: write it inside route { … }"
	case b.Holds&sdk.HoldsRoutes != 0 && matcher != nil:
		return "it is a matcher: write @name " + n.Name
	case c.rule(n.Name) != nil || strings.HasPrefix(n.Name, "@"):
		return "it belongs directly into a server's or a subroute's block"
	case b.Holds&sdk.HoldsServers != 0:
		return "a server begins with its address, :443 or 127.0.0.1:443"
	}
	return suggestion(n.Name, names(beside))
}
