package route

import (
	"bytes"
	"net/netip"

	"github.com/gaissmai/bart"

	"dwaar.dev/dwaar/sdk"
)

// step is one route, or a run of routes that one lookup chooses from.
type step struct {
	begin, end int // routes[begin:end]
	keys       *keyIndex
	ranges     *rangeIndex
}

// minRun is the length from which on a lookup is faster than asking each route.
const minRun = 3

// keyIndex chooses among routes whose only condition is a list of names for one key. A
// name "*.x" stands for one label in front of ".x".
type keyIndex struct {
	by    sdk.Selector
	exact map[string]int // name → route + 1
	wild  map[string]int // ".x" → route + 1
	any   int            // the route with the name "*"; -1: none
}

// rangeIndex chooses among routes whose only condition is an address range.
type rangeIndex struct {
	of    sdk.Side
	table bart.Table[int] // prefix → the first route with that prefix or one that contains it
}

// try returns the answer of a step. If the answer is Yes, the route that the step chose
// comes with it; it is from or a later one.
func (l *List) try(s *step, e *evaluator, from int) (*Route, sdk.Answer) {
	if (s.keys != nil || s.ranges != nil) && s.begin >= from {
		i, a := s.lookup(e)
		if a.Verdict != sdk.Yes {
			return nil, a
		}
		// The matcher of the route confirms, and sets the facts.
		if r := &l.Routes[i]; e.eval(&r.Cond).Verdict == sdk.Yes {
			return r, a
		}
	}
	for i := max(s.begin, from); i < s.end; i++ {
		a := e.eval(&l.Routes[i].Cond)
		if a.Err != nil || !a.Decided() || a.Verdict == sdk.Yes {
			return &l.Routes[i], a
		}
	}
	return nil, sdk.Answer{Verdict: sdk.No}
}

// lookup returns Yes with the first route of the run that matches, or the answer that
// all routes of the run give.
func (s *step) lookup(e *evaluator) (route int, a sdk.Answer) {
	v := sdk.Yes
	if s.keys != nil {
		route, v = s.keys.lookup(e.flow)
	} else {
		route, v = s.ranges.lookup(e.flow)
	}
	a = sdk.Answer{Verdict: v}
	switch {
	case v == sdk.Yes && route < 0:
		a.Verdict = sdk.No
	case e.final, v.NeedBytes() > e.flow.MaxHead && e.flow.MaxHead > 0:
		a = a.Final()
	}
	return route, a
}

// lookup returns the first route that has the key of f; -1: none.
func (x *keyIndex) lookup(f *sdk.Flow) (int, sdk.Verdict) {
	key, v := x.by.Key(f)
	if v != sdk.Yes {
		return -1, v
	}
	best := firstOf(x.any, x.exact[string(key)]-1)
	if dot := bytes.IndexByte(key, '.'); dot > 0 {
		best = firstOf(best, x.wild[string(key[dot:])]-1)
	}
	return best, v
}

// firstOf returns the smaller of two indexes of routes; -1 stands for none.
func firstOf(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// lookup returns the first route that has the address of f; -1: none.
func (x *rangeIndex) lookup(f *sdk.Flow) (int, sdk.Verdict) {
	addr := f.Remote.Addr()
	if x.of == sdk.Local {
		addr = f.Local.Addr()
	}
	if !addr.IsValid() {
		return -1, sdk.Unknown
	}
	if i, ok := x.table.Lookup(addr); ok {
		return i, sdk.Yes
	}
	return -1, sdk.Yes
}

// index cuts the routes into steps.
func (l *List) index() {
	l.steps = nil
	for i := 0; i < len(l.Routes); {
		s := l.run(i)
		l.steps = append(l.steps, s)
		i = s.end
	}
}

// run returns the longest step that begins at route i.
func (l *List) run(i int) step {
	s := step{begin: i, end: i + 1}
	switch m := l.only(i).(type) {
	case sdk.Keyed:
		by, _ := m.Keys()
		for s.end < len(l.Routes) && l.keyedBy(s.end, by) {
			s.end++
		}
		if by != nil && s.end-i >= minRun {
			s.keys = l.keyIndex(s, by)
			return s
		}
	case sdk.Ranged:
		of, _ := m.Prefixes()
		for s.end < len(l.Routes) && l.rangedBy(s.end, of) {
			s.end++
		}
		if s.end-i >= minRun {
			s.ranges = l.rangeIndex(s, of)
			return s
		}
	}
	return step{begin: i, end: i + 1}
}

// only returns the matcher that is the whole condition of route i; nil: there is more,
// or nothing.
func (l *List) only(i int) sdk.Matcher {
	c := &l.Routes[i].Cond
	for c.Op == All && len(c.Kids) == 1 {
		c = &c.Kids[0]
	}
	if c.Op != Leaf || l.Instances[c.Inst].Reads {
		return nil
	}
	return l.Instances[c.Inst].Matcher
}

// keyedBy reports whether the whole condition of route i is a list of names for the key
// that by selects.
func (l *List) keyedBy(i int, by sdk.Selector) bool {
	k, ok := l.only(i).(sdk.Keyed)
	if !ok || by == nil {
		return false
	}
	b, _ := k.Keys()
	return b == by
}

// rangedBy reports whether the whole condition of route i is a list of ranges for the
// address of one side.
func (l *List) rangedBy(i int, of sdk.Side) bool {
	r, ok := l.only(i).(sdk.Ranged)
	if !ok {
		return false
	}
	o, _ := r.Prefixes()
	return o == of
}

// keyIndex makes the index of a run of routes.
func (l *List) keyIndex(s step, by sdk.Selector) *keyIndex {
	x := &keyIndex{by: by, exact: map[string]int{}, wild: map[string]int{}, any: -1}
	for i := s.end - 1; i >= s.begin; i-- {
		_, names := l.only(i).(sdk.Keyed).Keys()
		for _, name := range names {
			switch {
			case name == "*":
				x.any = i
			case len(name) > 1 && name[:2] == "*.":
				x.wild[name[1:]] = i + 1
			default:
				x.exact[name] = i + 1
			}
		}
	}
	return x
}

// rangeIndex makes the index of a run of routes.
func (l *List) rangeIndex(s step, of sdk.Side) *rangeIndex {
	first := map[netip.Prefix]int{}
	for i := s.end - 1; i >= s.begin; i-- {
		_, prefixes := l.only(i).(sdk.Ranged).Prefixes()
		for _, p := range prefixes {
			first[p.Masked()] = i
		}
	}
	var own bart.Table[int]
	for p, route := range first {
		own.Insert(p, route)
	}
	x := &rangeIndex{of: of}
	for p, route := range first {
		for _, i := range own.Supernets(p) {
			route = min(route, i)
		}
		x.table.Insert(p, route)
	}
	return x
}
