package graph

import (
	"context"

	"dwaar.dev/dwaar/host"
)

// Handle is a matching phase: it reads until a route takes the connection and runs
// that route's handlers. What no route takes goes to next. Routes is a
// [host.Handler], so that a subroute is one.
//
// One absolute deadline bounds the phase. Routes that continue a list on the same
// bytes have what is left of it; new bytes and a subroute begin another.
func (rs *Routes) Handle(ctx context.Context, c *host.Conn, next host.Next) error {
	ch := rs.choose(c)
	r, err := ch.wait(c)
	ch.End(c)
	if err != nil {
		return err
	}
	return rs.run(ctx, c, r, next)
}

// run gives a connection to a route, or to next if there is none.
func (rs *Routes) run(ctx context.Context, c *host.Conn, r *Route, next host.Next) error {
	if r == nil {
		return next(ctx, c)
	}
	r.enter(c, rs.list)
	return r.chain.step(ctx, c, 0, next)
}
