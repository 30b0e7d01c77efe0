package graph

import (
	"context"

	"dwaar.dev/dwaar/host"
)

// Chooser is a connection that can be matched with routes: what package session
// gives to handlers.
type Chooser interface {
	host.Conn
	// Choose receives until the routes are decided. It returns the route that takes
	// the connection, whose facts are the connection's then; nil: no route does; or
	// why nobody needs to answer the client any more.
	//
	// One absolute deadline bounds the phase. Routes that continue a list on the
	// same bytes have what is left of it; new bytes and a subroute begin another.
	Choose(*Routes) (*Route, error)
}

// Handle is a matching phase beside the outer one: it runs the handlers of the route
// that takes the connection. What no route takes goes to next. Routes is a
// [host.Handler], so that a subroute is one.
func (rs *Routes) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	r, err := c.(Chooser).Choose(rs)
	switch {
	case err != nil:
		return err
	case r == nil:
		return next(ctx, c)
	}
	return r.Run(ctx, c, next)
}
