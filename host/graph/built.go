package graph

import (
	"slices"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// built is the routes of one block with what is known of them when they are built, for
// what is judged once all routes of a server are there.
type built struct {
	list   *route.List
	routes *route.Routes // nil until the list is done
	looks  []look        // of each instance
	fates  []fate        // of each route
}

// look is what a matcher looks at.
type look struct {
	kind  string     // its name, and those of its options or its arguments
	known sdk.Known  // what it goes by without a byte; KnownLater: bytes decide
	first *[4]uint64 // the bytes that may come first where the matcher says Yes; nil: any
}

// fate is what becomes of the connections that a route takes.
type fate struct {
	way   way
	steps []step // the handlers, in order
}

// step is a handler of a chain.
type step struct {
	denies bool     // it turns connections away
	nested []*built // routes that it holds
}

// append adds a route to the list.
func (b *built) append(r route.Route, f fate) {
	b.list.Routes, b.fates = append(b.list.Routes, r), append(b.fates, f)
}

// done finishes the list.
func (b *built) done() *built {
	rs := *b
	rs.routes = b.list.Done()
	return &rs
}

// opens reports whether a route lets connections through.
func (b *built) opens() bool {
	return slices.ContainsFunc(b.fates, func(f fate) bool { return f.way.opens })
}

// closes reports whether route i turns away what it takes, and does not take everything.
func (b *built) closes(i int) bool {
	r, w := &b.list.Routes[i], b.fates[i].way
	return !r.TurnsAway() && r.Cond.Op != route.Always && w.shuts && !w.opens
}
