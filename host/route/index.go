package route

import (
	"cmp"
	"slices"

	"dwaar.dev/dwaar/sdk"
)

// group is routes of a list that one question to a connection chooses among. Every
// route is in one group; a walk tries the routes of all groups in their common order.
type group struct {
	routes []int32    // in order
	finder finder     // nil: every route is tried
	pure   bool       // a route demands nothing else than what the finder looks for
	denies bool       // the routes are denials, which take what the finder cannot tell
	single bool       // the finder finds one route, the first that matches
	first  *[4]uint64 // bytes that may come first for any of the routes; nil: any
}

// finder looks for the routes of a group that a connection can take.
type finder interface {
	// find appends the routes to found, in order, and returns Yes. Any other verdict is
	// that of the member by which each route of the group is found.
	find(f *sdk.Flow, found []int32) ([]int32, sdk.Verdict)
}

const (
	// minGroup is how many routes make a question cheaper than asking each of them.
	minGroup = 3
	// maxGroups bounds what a walk looks at for each route that it tries. Routes of
	// smaller groups are tried one by one.
	maxGroups = 32
)

// index cuts the routes into groups.
func (l *List) index() {
	byKey, rest := l.byKey()
	l.groups = nil
	for k, routes := range byKey {
		if len(routes) < minGroup {
			rest = append(rest, routes...)
			continue
		}
		slices.Sort(routes)
		l.groups = append(l.groups, group{
			routes: routes, finder: l.finder(k, routes), pure: k.pure, denies: k.denies,
			single: k.kind == ranged, first: l.first(k, routes),
		})
	}
	if rest = append(rest, l.trim()...); len(rest) > 0 {
		slices.Sort(rest)
		l.groups = append(l.groups, group{routes: rest})
	}
	l.cursors = l.cursorsFrom(nil, 0)
}

// trim leaves the largest groups, fewer than maxGroups, and returns the routes of the
// others.
func (l *List) trim() (rest []int32) {
	slices.SortFunc(l.groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(len(b.routes), len(a.routes)), cmp.Compare(a.routes[0], b.routes[0]))
	})
	for len(l.groups) >= maxGroups {
		last := len(l.groups) - 1
		rest = append(rest, l.groups[last].routes...)
		l.groups = l.groups[:last]
	}
	return rest
}

// byKey returns the routes by what they have in common, and those that have nothing in
// common with others.
func (l *List) byKey() (byKey map[groupKey][]int32, rest []int32) {
	byKey = map[groupKey][]int32{}
	put := func(i int32, k groupKey) {
		if k == (groupKey{}) {
			rest = append(rest, i)
		} else {
			byKey[k] = append(byKey[k], i)
		}
	}
	for i := range l.Routes {
		put(int32(i), l.keyOf(i))
	}
	for k, routes := range byKey { // what is too few for a lookup may still be told by its first byte
		if len(routes) < minGroup && k.kind != starts {
			delete(byKey, k)
			for _, i := range routes {
				put(i, l.startOf(int(i)))
			}
		}
	}
	return byKey, rest
}

// groupKey says what the routes of a group have in common. The zero key stands for
// nothing.
type groupKey struct {
	kind   kind
	pure   bool
	denies bool // the routes are denials; false with starts, which are never Unknown
	by     any  // the sdk.Selector, the sdk.Side, or the set of first bytes
}

type kind uint8

const (
	none     kind = iota
	keyed         // a list of names for one key
	patterns      // a pattern for one key
	ranged        // address ranges of one side
	starts        // one set of first bytes
)

// keyOf returns what decides most cheaply that a connection does not take route i. A
// member that says No decides alone, whatever the others say.
func (l *List) keyOf(i int) groupKey {
	c := &l.Routes[i].Cond
	for c.Op == All && len(c.Kids) == 1 {
		c = &c.Kids[0]
	}
	pure := c.Op == Leaf
	best := groupKey{}
	for _, inst := range c.Winners() {
		k := l.Instances[inst].key()
		k.pure, k.denies = pure, l.Routes[i].TurnsAway()
		if k.kind == ranged && !pure { // ranges that contain each other would make long lists
			continue
		}
		if k.kind != none && (best.kind == none || k.kind < best.kind) {
			best = k
		}
	}
	if best.kind == none {
		return l.startOf(i)
	}
	return best
}

// key returns the question that decides about an instance.
func (in *Instance) key() groupKey {
	if in.Reads {
		return groupKey{}
	}
	if m, ok := in.Matcher.(sdk.Keyed); ok {
		if by, _ := m.Keys(); by != nil {
			return groupKey{kind: keyed, by: by}
		}
	}
	if m, ok := in.Matcher.(sdk.Patterned); ok {
		if by, _ := m.Pattern(); by != nil {
			return groupKey{kind: patterns, by: by}
		}
	}
	if m, ok := in.Matcher.(sdk.Ranged); ok {
		of, _ := m.Prefixes()
		return groupKey{kind: ranged, by: of}
	}
	return groupKey{}
}

// startOf returns the set of first bytes without which a connection does not take
// route i.
func (l *List) startOf(i int) groupKey {
	for _, inst := range l.Routes[i].Cond.Winners() {
		if in := &l.Instances[inst]; in.First != nil && !in.Reads {
			return groupKey{kind: starts, by: *in.First}
		}
	}
	return groupKey{}
}

// finder makes the finder of a group.
func (l *List) finder(k groupKey, routes []int32) finder {
	switch k.kind {
	case keyed:
		return l.names(k, routes)
	case patterns:
		return l.patterns(k, routes)
	case ranged:
		return l.ranges(k, routes)
	}
	return &startFinder{k.by.([4]uint64), routes}
}

// first returns the bytes that may come first for any of the routes; nil: any.
func (l *List) first(k groupKey, routes []int32) *[4]uint64 {
	var all [4]uint64
	known := k.kind != starts // whose finder asks for no more
	l.members(k, routes, func(_ int32, in *Instance) {
		if known = known && in.First != nil; known {
			for i, bits := range in.First {
				all[i] |= bits
			}
		}
	})
	if !known {
		return nil
	}
	return &all
}

// members calls visit with the instances of routes by which their group finds them.
func (l *List) members(k groupKey, routes []int32, visit func(route int32, in *Instance)) {
	for _, i := range routes {
		for _, inst := range l.Routes[i].Cond.Winners() {
			in := &l.Instances[inst]
			if key := in.key(); key.kind == k.kind && key.by == k.by {
				visit(i, in)
				break // one that says No is enough
			}
		}
	}
}

// startFinder finds routes by the first byte.
type startFinder struct {
	first  [4]uint64
	routes []int32
}

func (x *startFinder) find(f *sdk.Flow, found []int32) ([]int32, sdk.Verdict) {
	if len(f.Head) > 0 && !has(&x.first, f.Head[0]) {
		return found, sdk.No
	}
	return append(found, x.routes...), sdk.Yes
}
