package graph

import (
	"slices"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// see adds for each protocol that the list asks for the matcher without options, and one
// that waits for all of its facts where the matcher can.
func (c *conditions) see() {
	var names []string
	for i := range len(c.list.Instances) {
		in := &c.list.Instances[i]
		if slices.Contains(names, in.Name) {
			continue
		}
		names = append(names, in.Name)
		c.plain(in.Name, c.specs[i], c.at[i])
	}
}

// plain adds the matcher of a name without options to what is seen. A matcher that needs
// arguments, has no facts, or runs a plugin, is not asked for that.
func (c *conditions) plain(name string, spec *sdk.Spec, at sdk.Pos) {
	needs := func(a sdk.Arg) bool { return a.Min > 0 }
	if len(spec.Facts) == 0 || spec.Need || slices.ContainsFunc(spec.Args, needs) || sdk.Find(c.scope.words.Matchers, name) == nil {
		return
	}
	e := matcherEntry(c.scope.registry, name)
	m := c.unasked(&e, &sdk.Node{Name: name, Pos: at})
	if _, plugin := m.(host.Substitute); m == nil || plugin {
		return
	}
	if all := whole(m, spec); all != nil {
		c.seeing(name, spec, at, all)
	}
	c.seeing(name, spec, at, m)
}

// whole returns the matcher that waits for all facts of its kind; nil: there is none, as
// m has them with its yes.
func whole(m sdk.Matcher, spec *sdk.Spec) sdk.Matcher {
	s, ok := m.(sdk.FactSupplier)
	if !ok {
		return nil
	}
	var keys []string
	for _, f := range spec.Facts {
		keys = append(keys, f.Key)
	}
	return s.Supply(keys)
}

// unasked makes a matcher that no line of the configuration asks for; nil: there is
// none, which is no fault.
func (c *conditions) unasked(e *host.MatcherEntry, n *sdk.Node) (m sdk.Matcher) {
	var err error
	func() {
		defer host.Contain(&n.Pos, &err)
		m, err = e.New(c.scope, n)
	}()
	if err != nil {
		return nil
	}
	return m
}

// seeing adds an instance that no route asks.
func (c *conditions) seeing(name string, spec *sdk.Spec, at sdk.Pos, m sdk.Matcher) {
	in := route.Instance{Name: name, Text: name, Matcher: m}
	for _, f := range spec.Facts {
		in.Keys = append(in.Keys, f.Key)
	}
	if s, ok := m.(sdk.Starter); ok {
		in.First = s.First()
	}
	if s, ok := m.(sdk.FactSetter); ok {
		in.Sets = s.Sets()
	}
	c.list.Seen = append(c.list.Seen, len(c.list.Instances))
	c.list.Instances = append(c.list.Instances, in)
	c.specs, c.at = append(c.specs, spec), append(c.at, at)
}
