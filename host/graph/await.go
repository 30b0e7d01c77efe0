package graph

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// await puts matchers that wait for the facts that are read in the places of those that
// do not: suppliers stand under no other negation than their readers.
func (c *conditions) await(k *cond, reads []string) {
	switch k.op {
	case all:
		reads = c.reads(k, slices.Clone(reads))
		for i := range k.kids {
			c.await(&k.kids[i], reads)
		}
	case no:
		c.await(&k.kids[0], nil)
	case leaf:
		k.inst = c.waiting(k.inst, reads)
	}
}

// reads appends the full names of the facts that the readers in a condition read.
func (c *conditions) reads(k *cond, names []string) []string {
	if k.op == leaf {
		if r, ok := c.list.instances[k.inst].m.(sdk.FactReader); ok {
			names = append(names, r.Reads()...)
		}
	}
	for i := range k.kids {
		names = c.reads(&k.kids[i], names)
	}
	return names
}

// waiting returns the instance that is like inst and waits for those of the facts that
// are its own. Routes that read nothing keep the one that does not wait.
func (c *conditions) waiting(inst int, reads []string) int {
	in := c.list.instances[inst]
	s, ok := in.m.(sdk.FactSupplier)
	var keys []string
	for _, name := range reads {
		if key, own := strings.CutPrefix(name, in.name+"."); own {
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
	text := in.text + " for " + strings.Join(slices.Compact(keys), " ")
	if i, ok := c.byText[text]; ok {
		return i
	}
	in.m = m
	if s, ok := m.(sdk.FactSetter); ok {
		in.sets = s.Sets()
	}
	c.late(m, in.name, c.at[inst])
	i := len(c.list.instances)
	c.list.instances = append(c.list.instances, in)
	c.specs, c.at = append(c.specs, c.specs[inst]), append(c.at, c.at[inst])
	c.byText[text] = i
	return i
}
