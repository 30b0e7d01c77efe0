package route

import (
	"context"

	"dwaar.dev/dwaar/host"
)

// Way is where a connection is in the chains of the routes that took it. A session in an
// event loop goes along it, and a goroutine can go on with it. The zero value is before
// every route.
type Way struct{ places []place }

// place is a chain, and the handler of it that is next.
type place struct {
	chain *Chain
	next  int
}

// Next is what comes next on a way: one of its fields is not nil, or none is where no route
// is left.
type Next struct {
	Step    host.Stepper // to be taken, after which comes Done
	Plan    host.Planner // ends the way: it plans the attempts to connect
	Routes  *Routes      // to be tried: Take follows, or nothing where none of them takes it
	Handler host.Handler // ends the way: it needs a goroutine, which calls Run
}

// Take leads into the chain of a route.
func (w *Way) Take(r *Route) { w.places = append(w.places, place{chain: &r.Chain}) }

// Next returns what comes next.
func (w *Way) Next() Next {
	for len(w.places) > 0 {
		top := &w.places[len(w.places)-1]
		if top.next < len(top.chain.links) {
			l := &top.chain.links[top.next]
			if l.routes != nil {
				top.next++
				return Next{Routes: l.routes}
			}
			return Next{Step: l.step, Plan: l.plan, Handler: l.handler}
		}
		rest := top.chain.rest
		w.places = w.places[:len(w.places)-1]
		if rest != nil {
			return Next{Routes: rest}
		}
	}
	return Next{}
}

// Done leads behind a handler whose step was taken.
func (w *Way) Done() { w.places[len(w.places)-1].next++ }

// Run runs the rest of the way in a goroutine. next is called at the end of the way.
func (w *Way) Run(ctx context.Context, c host.Conn, next host.Next) error {
	return resume(w.places, next)(ctx, c)
}

// resume returns what runs the last of the places, and by its next those before it.
func resume(places []place, next host.Next) host.Next {
	if len(places) == 0 {
		return next
	}
	last := len(places) - 1
	at := places[last]
	return func(ctx context.Context, c host.Conn) error {
		return at.chain.step(ctx, c, at.next, resume(places[:last], next))
	}
}

// Reset leads back before every route, and keeps the memory for another connection.
func (w *Way) Reset() {
	clear(w.places[:cap(w.places)])
	w.places = w.places[:0]
}
