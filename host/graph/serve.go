package graph

import (
	"context"
	"errors"
	"io"
	"os"

	"dwaar.dev/dwaar/host"
)

// Handle is a matching phase: it reads until a route takes the connection and runs
// that route's handlers. What no route takes goes to next. Routes is a
// [host.Handler], so that a subroute is one.
//
// One absolute deadline bounds the phase. Routes that continue a list on the same
// bytes have what is left of it; new bytes and a subroute begin another.
func (rs *Routes) Handle(ctx context.Context, c *host.Conn, next host.Next) error {
	c.BeginMatching(rs.list.limits.MatchingTimeout, rs.list.own && rs.from == 0)
	r, err := rs.choose(c)
	c.EndMatching()
	c.Record().Fuel = c.Flow().Spent()
	switch {
	case err != nil:
		return err
	case r == nil:
		return next(ctx, c)
	}
	return r.run(ctx, c, rs.list, next)
}

// choose returns the route that takes a connection, with its facts recorded, or
// nil if none does.
func (rs *Routes) choose(c *host.Conn) (*Route, error) {
	memo := rs.NewMemo(c.Flow(), c)
	defer rs.Forget(c.Flow(), memo)
	for final := false; ; {
		r, need, err := rs.Pick(c.Flow(), memo, final)
		switch {
		case err != nil:
			return nil, host.End(host.ByProxy, host.Failed, err)
		case r != nil:
			r.Facts(memo, c.Facts().Put)
			return r, nil
		case need == 0:
			return nil, nil
		}
		if err := c.Peek(need); err != nil {
			if err := gone(c, err); err != nil {
				return nil, err
			}
			final = true
			c.Record().Final = err
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
