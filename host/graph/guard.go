package graph

import (
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// way is what becomes of the connections that a chain, or a set of routes, takes.
type way struct {
	opens bool // some get through
	shuts bool // some are turned away
}

func (w *way) add(o way) {
	w.opens = w.opens || o.opens
	w.shuts = w.shuts || o.shuts
}

// leads notes where a handler of the chain leads: it turns connections away, it has
// routes that do or do not, or it ends and thereby lets them through. All others only
// hand on.
func (s *scope) leads(h host.Handler, ends bool) {
	switch {
	case turnsAway(h):
		s.way.shuts = true
	case len(s.nested) > 0:
		s.way.add(s.inner)
	case ends:
		s.way.opens = true
	}
}

// turnsAway reports whether a handler turns all connections away that it gets.
func turnsAway(h host.Handler) bool {
	d, ok := h.(host.Denier)
	return ok && d.Denies()
}

// use is a place where a set names a matcher.
type use struct {
	inst int
	at   sdk.Pos
	odd  bool // under an odd number of negations
}

// judge refuses matchers of the last set that would answer in the place of a failed
// evaluation and thereby let clients in: with a no where the route turns away, with a
// yes where it lets through, and the other way round under a negation.
func (c *conditions) judge(w way) {
	for _, u := range c.uses {
		m, ok := c.list.Instances[u.inst].Matcher.(host.Substitute)
		if !ok {
			continue
		}
		matches, unsafe := m.Substitute()
		if w.opens && matches != u.odd || w.shuts && matches == u.odd {
			c.scope.errs.Add(u.at, unsafe)
		}
	}
}
