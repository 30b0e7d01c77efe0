package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// conn is a session as the handlers in its goroutine see it: a [host.Conn] and a
// [route.Chooser]. A conn that Wrap made has a head of its own and shares the session.
type conn struct {
	s    *Session
	u    *setup // of the session, also after a relay has it
	h    *head
	sock net.Conn // gives the bytes behind the head
}

var (
	_ host.Conn     = (*conn)(nil)
	_ host.Checker  = (*conn)(nil)
	_ host.Spender  = (*conn)(nil)
	_ route.Chooser = (*conn)(nil)
)

// Flow implements [host.View].
func (c *conn) Flow() *sdk.Flow { return &c.h.flow }

// Get implements [host.View].
func (c *conn) Get(name string) (string, bool) { return c.s.get(&c.h.flow, name) }

// Set records a variable, {vars.key}. With Get it makes conn the [sdk.Facts] of its
// flow.
func (c *conn) Set(key string, value []byte) { c.s.Set(key, value) }

// Log implements [host.View].
func (c *conn) Log() *slog.Logger { return c.s.env.Log }

// Attempts implements [host.View].
func (c *conn) Attempts() *upstream.Attempts { return &c.u.attempts }

// Own implements [host.View].
func (c *conn) Own(a netip.AddrPort) bool { return c.s.own(&c.h.flow, a) }

// Head implements [host.Conn].
func (c *conn) Head() []byte { return c.h.flow.Head }

// Peek implements [host.Conn].
func (c *conn) Peek(n int) error {
	for len(c.h.flow.Head) < n {
		b, err := c.h.room(c.s, n)
		if err != nil {
			return err
		}
		got, err := c.sock.Read(b)
		if err := c.h.received(got, err); err != nil {
			return err
		}
	}
	return nil
}

// Discard implements [host.Conn].
func (c *conn) Discard(n int) { c.h.discard(c.s, n) }

// Put implements [host.Conn].
func (c *conn) Put(of, key, value string) bool { return c.s.Facts().PutString(of, key, value) }

// Charge implements [host.Conn].
func (c *conn) Charge(n int) error {
	if c.s.owner.Charge(n) {
		return nil
	}
	return host.ErrNoMemory
}

// Readdress implements [host.Editor].
func (c *conn) Readdress(remote, local netip.AddrPort) {
	c.s.readdress(&c.h.flow, remote, local)
}

// Step implements [host.Conn].
func (c *conn) Step(h host.Stepper) error {
	var final error
	for began := false; ; {
		wait, err := h.Step(c, final)
		switch {
		case err != nil || wait.Bytes <= len(c.h.flow.Head):
			return err
		case final != nil:
			return unfinished(final)
		case !began:
			began = true
			_ = c.sock.SetReadDeadline(time.Now().Add(wait.Within)) // fails on a closed socket, whose Read says so
			defer c.sock.SetReadDeadline(time.Time{})
		}
		if err := c.Peek(wait.Bytes); err != nil {
			if final = err; c.s.unanswered(c.h, final) != nil {
				return c.s.unanswered(c.h, final)
			}
		}
	}
}

// Enter implements [host.Conn].
func (c *conn) Enter(p host.Phase) {
	if !c.s.given {
		c.u.now = time.Now()
		c.s.enter(c.u, State(p))
	}
}

// Net implements [host.Conn].
func (c *conn) Net() net.Conn { return &stream{c.sock, c} }

// Wrap implements [host.Conn].
func (c *conn) Wrap(inner net.Conn) host.Conn {
	w := &conn{s: c.s, u: c.u, sock: inner, h: &head{flow: c.h.flow.Fresh()}}
	w.h.flow.Bind(w)
	c.u.wrapped = append(c.u.wrapped, w.h)
	return w
}

// Given implements [host.Conn].
func (c *conn) Given() bool { return c.s.given }

// Choose implements [route.Chooser]: it runs an inner matching phase.
func (c *conn) Choose(routes *route.Routes) (*route.Route, error) {
	timeout, own := routes.Limits()
	c.h.await(time.Now(), timeout, own)
	p := routes.Begin(c)
	p.Trail = &c.u.trail
	defer p.End(&c.h.flow)
	if at := c.h.deadline; !at.IsZero() {
		_ = c.sock.SetReadDeadline(at) // fails on a closed socket, whose Read says so
		defer c.sock.SetReadDeadline(time.Time{})
	}
	for {
		r, need, err := c.s.try(&p, c.h)
		switch {
		case err != nil && r != nil && r.Resets():
			_ = relay.Abort(c.sock) // without a reset the client sees the end all the same
			return nil, err
		case err != nil:
			return nil, err
		case need == 0:
			return r, nil
		}
		if err := c.Peek(need); err != nil {
			if err := c.s.starve(&p, c.h, err); err != nil {
				return nil, err
			}
		}
	}
}

// Connect implements [host.Conn].
func (c *conn) Connect(ctx context.Context, p host.Planner) error {
	c.Enter(host.InConnect)
	s, course := c.s, &c.u.course
	course.Check = c.Check
	sock, d, err := course.Reach(ctx, s.env.Log, func(ctx context.Context, last error) (upstream.Dial, error) {
		d, err := p.Plan(c, last)
		if w, ok := p.(host.WaitingPlanner); ok && errors.Is(err, host.ErrBlocks) {
			return w.PlanWait(ctx, c, last)
		}
		return d, err
	})
	if err != nil {
		return err
	}
	s.stood(d, time.Now())
	c.relay(relay.Endpoint{Conn: sock}, d.Relay, d.Hop)
	return nil
}

// Spend implements [host.Spender].
func (c *conn) Spend(n int) (giveBack func(), err error) {
	owner := c.s.owner
	if !owner.Spend(n) {
		return nil, fmt.Errorf("connecting to %d more addresses: connections hold as many descriptors as they may: %w", n, syscall.EMFILE)
	}
	return sync.OnceFunc(func() { owner.Spend(-n) }), nil
}

// Relay implements [host.Conn].
func (c *conn) Relay(up relay.Endpoint, o relay.Options) error {
	c.relay(up, o, nil)
	return nil
}

// relay gives the session to a relay. h is told of its end; nil: nobody is.
func (c *conn) relay(up relay.Endpoint, o relay.Options, h upstream.Hop) {
	s := c.s
	down := relay.Endpoint{Conn: c.sock, Head: bytes.Clone(c.h.flow.Head)}
	c.h.release(s)
	c.u.leave()
	c.u.now = time.Now()
	s.give(c.u)
	s.relay(down, up, o, h)
}

// leave leaves to the conns that Wrap was called on what their heads still have: the relay
// reads it through them, and the heads are given back.
func (u *setup) leave() {
	u.keep()
	for _, h := range u.wrapped {
		h.keep()
	}
}

// relay starts the relay of a session in state Relaying. h is told of its end; nil: nobody
// is.
func (s *Session) relay(down, up relay.Endpoint, o relay.Options, h upstream.Hop) {
	o.Done = func(r relay.Result) {
		if h != nil {
			h.Over()
		}
		s.Step(Input{Event: Relayed, At: time.Now(), Result: r})
	}
	start := s.env.Start
	if start == nil {
		start = relay.Start
	}
	s.Hold(start(down, up, o))
}

// stream is a conn as a net.Conn: reads give the head, then what the socket gives.
type stream struct {
	net.Conn
	c *conn
}

// Read returns head bytes while there are any.
func (s *stream) Read(p []byte) (int, error) {
	h := s.c.h
	if len(h.left) > 0 {
		n := copy(p, h.left)
		h.left = h.left[n:]
		return n, nil
	}
	if len(h.flow.Head) > 0 {
		n := copy(p, h.flow.Head)
		s.c.Discard(n)
		return n, nil
	}
	if h.end != nil {
		return 0, h.end
	}
	n, err := s.Conn.Read(p)
	h.heard = h.heard || n > 0
	return n, err
}

// NetConn implements [relay.NetConner].
func (s *stream) NetConn() net.Conn { return s.Conn }

// CloseWrite tells the client that no more bytes will come.
func (s *stream) CloseWrite() error { return relay.CloseWrite(s.Conn) }
