package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
)

// goroutine is the driver of a session in a goroutine of its own. Its methods are
// called there, except those of [relay.Runner], which any goroutine may call.
type goroutine struct {
	s      *Session
	ctx    context.Context // ends whatever the session waits for in this goroutine
	cancel context.CancelFunc
	sock   net.Conn
	run    Handlers
	link   relay.Link // passes Kill on to g

	until time.Time // the read deadline of sock
	up    net.Conn  // the upstream that stands; nil: none does
}

// Handlers runs the handlers of a connection, and returns when they are done or a relay
// has c.
type Handlers func(ctx context.Context, c host.Conn) error

// Serve drives a session in state Accepted until the session ends or a relay has it. It
// owns sock. run is nil, except for a session without routes.
func (s *Session) Serve(sock net.Conn, run Handlers) {
	g := s.goroutine(sock, run)
	defer g.cancel()
	g.drive(func() Act { return g.tell(Began, nil) })
}

// Continue drives a session that an event loop has given up because of an Act to Land.
// It owns sock, and returns when the session ends or a relay has it.
func (s *Session) Continue(sock net.Conn) {
	g := s.goroutine(sock, nil)
	defer g.cancel()
	g.drive(func() Act { return Act{Do: Land} })
}

// goroutine returns a driver that Kill of the session reaches.
func (s *Session) goroutine(sock net.Conn, run Handlers) *goroutine {
	g := &goroutine{s: s, sock: sock, run: run}
	life := s.env.Life
	if life == nil {
		life = context.Background()
	}
	g.ctx, g.cancel = context.WithCancel(life)
	g.link = relay.LinkTo(g)
	s.header.Store(0)
	s.Hold(&g.link)
	return g
}

// Kill implements [relay.Runner]: whatever the session waits for ends with an error.
// Closing a socket waits for those that read from it to notice, and who kills may be an
// event loop.
func (g *goroutine) Kill(relay.Reason) {
	g.cancel()
	go func() { _ = g.sock.Close() }()
}

// Counts implements [relay.Runner]: nothing is relayed yet.
func (g *goroutine) Counts() (up, down int64) { return 0, 0 }

// drive does what the session answers, from the first act on. A panic ends the session,
// and no other one.
func (g *goroutine) drive(first func() Act) {
	if !g.contain(func() { g.do(first()) }) && !g.s.given {
		g.contain(func() { g.do(Act{Do: Close}) })
	}
}

// contain reports whether f returned. The session is told of a panic.
func (g *goroutine) contain(f func()) (returned bool) {
	defer func() {
		if v := recover(); v != nil {
			g.s.Step(g.s.Defect(v, debug.Stack()))
		}
	}()
	f()
	return true
}

// Defect logs a panic and returns the input that tells the session of it.
func (s *Session) Defect(v any, stack []byte) Input {
	s.env.Log.Error("a defect ended a connection: please report it",
		"conn", s.id, "panic", fmt.Sprint(v), "stack", string(stack))
	return Input{Event: Panicked, At: time.Now(), Err: host.End(host.ByProxy, host.Panicked, fmt.Errorf("panic: %v", v))}
}

// do does what the session answers until the session ends or a relay has it.
func (g *goroutine) do(act Act) {
	for {
		switch act.Do {
		case Receive:
			act = g.receive(act)
		case Look: // nothing is gained: the relay receives at once
			act = g.tell(Looked, nil)
		case Dial:
			act = g.dial(act)
		case Relay:
			g.s.relay(relay.Endpoint{Conn: g.sock, Head: act.Bytes}, relay.Endpoint{Conn: g.up}, act.Relay, nil)
			return
		case Land:
			err := g.handle()
			if g.s.given {
				return
			}
			act = g.tell(Returned, err)
		case Close:
			g.close(act.Reset)
			act = g.tell(Closed, nil)
		default:
			return
		}
	}
}

// tell tells the session what happened just now, without bytes.
func (g *goroutine) tell(e Event, err error) Act {
	return g.s.Step(Input{Event: e, At: time.Now(), Err: err})
}

// close closes the client, with reset by a reset, and the upstream, if one stands.
func (g *goroutine) close(reset bool) {
	if reset {
		_ = relay.Abort(g.sock) // without a reset the client sees the end all the same
	}
	_ = g.sock.Close()
	if g.up != nil {
		_ = g.up.Close()
	}
}

// receive receives once, and waits for that until the deadline.
func (g *goroutine) receive(act Act) Act {
	g.within(act.Until)
	n, err := g.sock.Read(act.Bytes)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return g.tell(Due, nil)
	}
	return g.s.Step(Input{Event: Received, At: time.Now(), N: n, Err: err})
}

// within sets the read deadline of the client, unless it is set already.
func (g *goroutine) within(until time.Time) {
	if !until.Equal(g.until) {
		g.until = until
		_ = g.sock.SetReadDeadline(until) // fails on a closed socket, whose Read says so
	}
}

// dial makes an attempt. Connect sends the header; the relay sends the head.
func (g *goroutine) dial(act Act) Act {
	g.within(time.Time{})
	up, err := act.Dial.Connect(g.ctx)
	if err != nil {
		return g.tell(Refused, err)
	}
	g.up = up
	g.s.header.Store(0)
	return g.s.Step(Input{Event: Connected, At: time.Now(), N: len(act.Dial.First)})
}

// handle runs the handlers of the route, or goes on with the attempts to connect.
func (g *goroutine) handle() error {
	g.within(time.Time{})
	s, u := g.s, g.s.setup
	u.landed = true
	c := &conn{s: s, u: u, h: &u.head, sock: g.sock}
	switch {
	case g.run != nil:
		return g.run(g.ctx, c)
	case u.planner != nil:
		return c.Connect(g.ctx, u.planner)
	}
	return u.way.Run(g.ctx, c, func(context.Context, host.Conn) error { return s.noRoute() })
}
