package graph

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// await puts matchers that wait for the facts that are read in the places of those that
// do not: suppliers stand under no other negation than their readers.
func (c *conditions) await(k *route.Cond, reads []string) {
	switch k.Op {
	case route.All:
		reads = c.reads(k, slices.Clone(reads))
		for i := range k.Kids {
			c.await(&k.Kids[i], reads)
		}
	case route.Not:
		c.await(&k.Kids[0], nil)
	case route.Leaf:
		k.Inst = c.waiting(k.Inst, reads)
	}
}

// reads appends the full names of the facts that the readers in a condition read.
func (c *conditions) reads(k *route.Cond, names []string) []string {
	if k.Op == route.Leaf {
		if r, ok := c.list.Instances[k.Inst].Matcher.(sdk.FactReader); ok {
			names = append(names, r.Reads()...)
		}
	}
	for i := range k.Kids {
		names = c.reads(&k.Kids[i], names)
	}
	return names
}

// waiting returns the instance that is like inst and waits for those of the facts that
// are its own. Routes that read nothing keep the one that does not wait.
func (c *conditions) waiting(inst int, reads []string) int {
	in := c.list.Instances[inst]
	s, ok := in.Matcher.(sdk.FactSupplier)
	var keys []string
	for _, name := range reads {
		if key, own := strings.CutPrefix(name, in.Name+"."); own {
			keys = append(keys, key)
		}
	}
	if !ok || len(keys) == 0 {
		return inst
	}
	m := s.Supply(keys)
	if m == nil {
		return inst
	}
	slices.Sort(keys)
	text := in.Text + " for " + strings.Join(slices.Compact(keys), " ")
	if i, ok := c.byText[text]; ok {
		return i
	}
	in.Matcher = m
	if s, ok := m.(sdk.FactSetter); ok {
		in.Sets = s.Sets()
	}
	c.late(m, in.Name, c.at[inst])
	i := len(c.list.Instances)
	c.list.Instances = append(c.list.Instances, in)
	c.specs, c.at, c.looks = append(c.specs, c.specs[inst]), append(c.at, c.at[inst]), append(c.looks, c.looks[inst])
	c.byText[text] = i
	return i
}
