package graph

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// conditions builds what the routes of one list demand.
type conditions struct {
	scope  *scope
	sets   map[string]*sdk.Node
	byText map[string]int // instances, by how they are written
	specs  []*sdk.Spec    // of each instance
	at     []sdk.Pos      // of each instance
	built                 // what is known of the routes beside the list
	uses   []use          // of instances in the set that was built last
	odd    bool           // under an odd number of negations
	name   string         // of the set that is built, without its @
}

// set builds the condition of a matcher set: all of its matchers.
func (c *conditions) set(n *sdk.Node) route.Cond {
	c.uses, c.name = nil, strings.TrimPrefix(n.Name, "@")
	k := c.all(n)
	c.await(&k, nil)
	c.resolve(&k, nil)
	return k
}

// all builds the condition that every matcher in the block of n matches. A block
// without any would match everything, which nobody means.
func (c *conditions) all(n *sdk.Node) route.Cond {
	if len(n.Block) == 0 {
		c.scope.errorf(n.Pos, "%s has no matcher: an empty condition would match everything; name a matcher", n.Name)
	}
	k := route.Cond{Op: route.All}
	for i := range n.Block {
		k.Kids = append(k.Kids, c.matcher(&n.Block[i]))
	}
	if len(k.Kids) == 1 {
		return k.Kids[0]
	}
	return k
}

// matcher builds one matcher with its options. Options that are matchers of their
// own (remote_ip in a tls block) must match beside it, and those it negates must
// not match.
func (c *conditions) matcher(n *sdk.Node) route.Cond {
	c.scope.at = n.Pos
	if n.Name == notName {
		return c.not(func() route.Cond { return c.all(n) })
	}
	e := matcherEntry(c.scope.registry, n.Name)
	if e.New == nil || c.scope.faults.In(n) {
		return c.refused(n, &e)
	}
	if e.Spec.Block == nil || n.Block == nil {
		return c.leaf(n, &e)
	}
	own := *n
	own.Block = nil
	k := route.Cond{Op: route.All}
	for i := range n.Block {
		o := &n.Block[i]
		switch spec := optionOf(&e, o.Name); {
		case spec.Negates:
			k.Kids = append(k.Kids, c.negated(n, o, &e))
		case spec.Hoist:
			k.Kids = append(k.Kids, c.matcher(o))
		default:
			own.Block = append(own.Block, *o)
		}
	}
	k.Kids = append([]route.Cond{c.leaf(&own, &e)}, k.Kids...)
	if len(k.Kids) == 1 {
		return k.Kids[0]
	}
	return k
}

// optionOf returns the description of an option, or an empty one for a line whose name
// is the user's own.
func optionOf(e *host.MatcherEntry, name string) sdk.Spec {
	if spec := sdk.Find(e.Spec.Block.Options, name); spec != nil {
		return *spec
	}
	return sdk.Spec{}
}

// negated builds "not what n would be with these options".
func (c *conditions) negated(n, options *sdk.Node, e *host.MatcherEntry) route.Cond {
	if len(options.Block) == 0 {
		c.scope.errorf(options.Pos, "%s in %s names no option: write what must not match", options.Name, n.Name)
		return route.Cond{}
	}
	inner := *n
	inner.Block = options.Block
	return c.not(func() route.Cond {
		if !onlyHoisted(inner.Block, &e.Spec) {
			return c.matcher(&inner)
		}
		k := route.Cond{Op: route.All}
		for i := range inner.Block {
			k.Kids = append(k.Kids, c.matcher(&inner.Block[i]))
		}
		return k
	})
}

// not builds the negation of a condition.
func (c *conditions) not(build func() route.Cond) route.Cond {
	c.odd = !c.odd
	defer func() { c.odd = !c.odd }()
	return route.Cond{Op: route.Not, Kids: []route.Cond{build()}}
}

func onlyHoisted(options []sdk.Node, spec *sdk.Spec) bool {
	for i := range options {
		if o := sdk.Find(spec.Block.Options, options[i].Name); o == nil || !o.Hoist {
			return false
		}
	}
	return true
}

// leaf returns the instance of a matcher: one that exists, or a new one.
func (c *conditions) leaf(n *sdk.Node, e *host.MatcherEntry) route.Cond {
	text := nodeText(n)
	i, ok := c.byText[text]
	if !ok {
		i = c.instance(n, e, text)
	}
	c.believed(i, n)
	c.uses = append(c.uses, use{i, n.Pos, c.odd})
	return route.Cond{Op: route.Leaf, Inst: i}
}

// construct makes a matcher of a node that is written as text. One that is an actor is
// made once for the whole graph: it follows a file, and does not for each of its routes.
func (c *conditions) construct(n *sdk.Node, e *host.MatcherEntry, text string) (m sdk.Matcher) {
	if m := c.scope.acting[text]; m != nil {
		return m
	}
	c.scope.make(n.Pos, func() (err error) {
		if m, err = e.New(c.scope, n); err != nil {
			m, _ = m.(host.Substitute) // which is judged all the same
		}
		return err
	})
	if a, ok := m.(host.Actor); ok {
		c.scope.acting[text] = m
		c.scope.graph.actors = append(c.scope.graph.actors, a)
	}
	if w, ok := m.(sdk.Warner); ok {
		c.scope.warnings = append(c.scope.warnings, w.Warnings()...)
	}
	return m
}

// instance makes an instance of a matcher.
func (c *conditions) instance(n *sdk.Node, e *host.MatcherEntry, text string) int {
	m := c.construct(n, e, text)
	own, bySet := m.(sdk.SetNamed)
	if bySet {
		own.InSet(c.name)
	}
	in := route.Instance{Name: n.Name, Text: text, Matcher: m}
	for _, f := range e.Spec.Facts {
		in.Keys = append(in.Keys, f.Key)
	}
	in.Code = slices.Contains(in.Keys, route.CodeFact)
	if s, ok := m.(sdk.Starter); ok {
		in.First = s.First()
	}
	if s, ok := m.(sdk.FactSetter); ok {
		in.Sets = s.Sets()
	}
	c.looks = append(c.looks, look{kindOf(n), c.early(m, n), in.First})
	c.late(m, n.Name, n.Pos)
	if r, ok := m.(sdk.FactReader); ok {
		in.Reads = len(r.Reads()) > 0
	}
	i := len(c.list.Instances)
	c.list.Instances = append(c.list.Instances, in)
	c.specs, c.at = append(c.specs, &e.Spec), append(c.at, n.Pos)
	if !in.Reads && !bySet { // the answer of either depends on the set it stands in
		c.byText[text] = i
	}
	return i
}

// waits warns of a matcher that cannot say No before a client has sent many bytes
// where other routes wait behind it.
func (c *conditions) waits(r *route.Route) {
	for _, i := range r.Cond.Winners() {
		w, ok := c.list.Instances[i].Matcher.(sdk.Waiter)
		if !ok || w.Waits() < 2 {
			continue
		}
		c.scope.warnf(c.at[i], "%s may hold clients that send fewer than %d bytes for %s before the routes behind it are tried: anchor it, or move its route down",
			c.list.Instances[i].Name, w.Waits(), route.OrNone(c.list.Timeout))
	}
}

// late warns of a matcher that reads header fields where TLS was terminated with
// h2 on offer: clients of gRPC send them only after the server's SETTINGS, which no
// upstream has sent yet. Elsewhere it warns of what the matcher itself knows to be late.
func (c *conditions) late(m sdk.Matcher, name string, at sdk.Pos) {
	if f, ok := m.(sdk.FieldReader); ok && c.scope.h2 && f.NeedsFields() {
		c.scope.warnf(at, "%s reads header fields, and clients that agreed on h2 may wait for the server before they send any: choose by tls sni or alpn before this, or leave h2 out of the alpn of tls", name)
		return
	}
	if l, ok := m.(sdk.Later); ok && l.Later() != "" {
		c.scope.warnf(at, "%s: they wait for matching_timeout, and are unknown to it then; choose them by something else", l.Later())
	}
}

// refused stands for a matcher that is an error already, so that what is around it
// can be looked at.
func (c *conditions) refused(n *sdk.Node, e *host.MatcherEntry) route.Cond {
	if e.New == nil {
		c.scope.known[n.Name+".*"] = true // who knows what it would have set
	}
	i := len(c.list.Instances)
	c.list.Instances = append(c.list.Instances, route.Instance{Name: n.Name, Text: n.Name})
	c.looks = append(c.looks, look{kind: n.Name})
	c.specs, c.at = append(c.specs, &e.Spec), append(c.at, n.Pos)
	return route.Cond{Op: route.Leaf, Inst: i}
}

// resolve gives every reader the instances that supply what it reads: members of
// its set under no other negation than its own.
func (c *conditions) resolve(k *route.Cond, beside []int) {
	switch k.Op {
	case route.All:
		visible := slices.Clone(beside)
		visible = append(visible, k.Winners()...)
		for i := range k.Kids {
			c.resolve(&k.Kids[i], visible)
		}
	case route.Not:
		c.resolve(&k.Kids[0], beside)
	case route.Leaf:
		c.sources(k.Inst, beside)
	}
}

func (c *conditions) sources(inst int, beside []int) {
	in := &c.list.Instances[inst]
	r, ok := in.Matcher.(sdk.FactReader)
	if !ok {
		return
	}
	for _, name := range r.Reads() {
		supplied := knows(c.scope.known, name)
		for _, i := range beside {
			if i != inst && !c.list.Instances[i].Reads && knows(factSet(c.names(i)), name) {
				in.Sources = append(in.Sources, i)
				in.Inner = append(in.Inner, name)
				supplied = true
			}
		}
		if !supplied {
			c.scope.errorf(c.at[inst], "nobody supplies {%s} here: %s", name, factHint(c.scope.known, name))
		}
	}
}

// names returns the full names of the facts an instance sets.
func (c *conditions) names(inst int) []string {
	in := &c.list.Instances[inst]
	var names []string
	for _, f := range c.specs[inst].Facts {
		if !f.Asked {
			names = append(names, in.Name+"."+f.Key)
		}
	}
	return append(names, in.Sets...)
}

// supplied returns the facts of instances.
func (c *conditions) supplied(instances []int) []string {
	var names []string
	for _, i := range instances {
		names = append(names, c.names(i)...)
	}
	return names
}

// closed adds to what was closed before the facts that instances compare with a
// list of exact names.
func (c *conditions) closed(before map[string]bool, instances []int) map[string]bool {
	closed := map[string]bool{}
	maps.Copy(closed, before)
	for _, i := range instances {
		k, ok := c.list.Instances[i].Matcher.(sdk.Keyed)
		if !ok {
			continue
		}
		by, names := k.Keys()
		f, ok := by.(sdk.FactSelector)
		wild := slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "*") })
		if ok && !wild {
			in := &c.list.Instances[i]
			closed[in.Name+"."+f.Fact()] = true
			if in.Alias(f.Fact()) {
				closed[f.Fact()] = true
			}
		}
	}
	return closed
}

func (c *conditions) hint(name string) string {
	var defined []string
	for n := range c.sets {
		defined = append(defined, n)
	}
	sort.Strings(defined)
	if len(defined) == 0 {
		return "write " + name + " and its matchers before the route"
	}
	return "defined are " + strings.Join(defined, ", ")
}

// knows reports whether a fact is supplied: by name, by everybody of its first part
// (that of a plugin's matcher has a dot itself), or always.
func knows(known map[string]bool, name string) bool {
	of, key, _ := strings.Cut(name, ".")
	switch of {
	case "env":
		return true
	case "conn":
		return slices.Contains(host.ConnFacts(), key)
	case "time":
		return slices.Contains(host.TimeFacts(), key)
	}
	last := name[:max(strings.LastIndexByte(name, '.'), 0)]
	return known[name] || known[of+".*"] || known[last+".*"]
}

func factSet(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

func matcherEntry(r *host.Registry, name string) host.MatcherEntry {
	for _, e := range r.Matchers() {
		if e.Spec.Name == name {
			return e
		}
	}
	return host.MatcherEntry{}
}
