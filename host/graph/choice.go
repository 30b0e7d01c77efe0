package graph

import (
	"context"
	"errors"
	"io"
	"os"

	"dwaar.dev/dwaar/host"
)

// Choice is a matching phase of a connection under way. Whoever has the connection
// asks Try, and Try again with a longer head, until it says what becomes of it:
//
//	ch := server.Choose(c)
//	r, need, err := ch.Try(c)          // need > 0: receive, or ch.Starve(c, why)
//	ch.End(c)
//	err = server.Run(ctx, c, r)        // or, if it has one, ask r's Planner
//
// [Server.Serve] does that in a goroutine; an event loop does it between other
// things.
type Choice struct {
	routes *Routes
	memo   *Memo
	final  bool // the head will not grow
}

// Choose begins the first matching phase of a connection, and its deadline.
func (s *Server) Choose(c *host.Conn) Choice { return s.routes.choose(c) }

// Run gives a connection to the route that was chosen for it; nil: none was.
func (s *Server) Run(ctx context.Context, c *host.Conn, r *Route) error {
	return s.routes.run(ctx, c, r, noRoute)
}

// Enter notes that a connection is the route's, for those that ask its Planner
// themselves.
func (s *Server) Enter(c *host.Conn, r *Route) { r.enter(c, s.routes.list) }

func (rs *Routes) choose(c *host.Conn) Choice {
	c.BeginMatching(rs.list.limits.MatchingTimeout, rs.list.own && rs.from == 0)
	return Choice{routes: rs, memo: rs.NewMemo(c.Flow(), c)}
}

// Try returns the route that takes the connection, with its facts recorded; or how
// many bytes its head must have in all before that can be said; or, with neither,
// that no route takes it.
func (ch *Choice) Try(c *host.Conn) (r *Route, need int, err error) {
	r, need, err = ch.routes.Pick(c.Flow(), ch.memo, ch.final)
	switch {
	case err != nil:
		return nil, 0, host.End(host.ByProxy, host.Failed, err)
	case r != nil:
		r.Facts(ch.memo, c.Facts().Put)
	}
	return r, need, nil
}

// Starve notes that the head will not grow, and why: the next Try decides. The
// error is for a connection that nobody needs to answer.
func (ch *Choice) Starve(c *host.Conn, why error) error {
	if err := gone(c, why); err != nil {
		return err
	}
	ch.final = true
	c.Record().Final = why
	return nil
}

// End ends the phase.
func (ch *Choice) End(c *host.Conn) {
	ch.routes.Forget(c.Flow(), ch.memo)
	c.EndMatching()
	c.Record().Fuel = c.Flow().Spent()
}

// wait is the phase in a goroutine.
func (ch *Choice) wait(c *host.Conn) (*Route, error) {
	for {
		r, need, err := ch.Try(c)
		if need == 0 || err != nil {
			return r, err
		}
		if err := c.Peek(need); err != nil {
			if err := ch.Starve(c, err); err != nil {
				return nil, err
			}
		}
	}
}

// gone says whether a connection whose head will not grow is one that nobody needs
// to answer: nil means that the routes are tried a last time.
func gone(c *host.Conn, err error) error {
	switch {
	case errors.Is(err, host.ErrNoMemory):
		return host.End(host.ByProxy, host.Cap, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, host.ErrFull):
		return nil
	case len(c.Head()) == 0 && c.Record().Phase == host.InMatching:
		return host.End(host.ByClient, host.Probe, nil)
	case errors.Is(err, io.EOF):
		return nil
	}
	return host.End(host.ByClient, host.Reset, err)
}
