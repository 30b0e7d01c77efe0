package route

import (
	"context"

	"dwaar.dev/dwaar/host"
)

// Chooser is a connection that can have an inner matching phase. The connections that
// package session gives to handlers are Choosers.
type Chooser interface {
	host.Conn
	// Choose receives until the routes are decided. It returns the route that takes
	// the connection, whose facts are recorded; nil: no route does. The error is why
	// the connection ends without a decision.
	//
	// One absolute deadline bounds the phase. Routes that continue a list on the same
	// head keep the deadline of the phase before; a head that Wrap made, and a
	// subroute, begin a new one.
	Choose(*Routes) (*Route, error)
}

// Handle runs an inner matching phase, and the handlers of the route that takes the
// connection. A connection that no route takes goes to next. With Handle Routes are a
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
