package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// conn is what the engine knows of a connection, from accept to its end. When the
// relay has it, it refers to no graph.
type conn struct {
	e        *Engine
	id       uint64
	c        *host.Conn
	env      host.Env
	era      *era
	caps     *caps
	socket   *socket
	peer     netip.Addr // that the caps count; zero on Unix sockets
	listener string
	accepted time.Time

	target   *target // nil once its graph was released
	decision uint64  // its number in the ring of decisions, 0: none yet
	place    place   // in the queue of the matching phase, guarded by caps

	mu   sync.Mutex
	said ConnInfo // as of the last phase, for other goroutines
}

// welcome begins the life of a connection that was accepted on s.
func (e *Engine) welcome(s *socket, sock net.Conn) {
	now := time.Now()
	t := s.acquire()
	x := &conn{
		e: e, id: e.ids.Add(1),
		era: t.gen.era, caps: t.caps, socket: s, target: t,
		listener: t.name, accepted: now,
	}
	f := x.flow(sock)
	s.accepted.Add(1)
	if why, ok := e.admit(x); !ok {
		e.refuse(x, sock, why)
		return
	}
	x.env = host.Env{
		Heads: e.heads, Log: t.log, Getenv: e.getenv, Own: e.owns,
		Entered: x.entered, Ended: x.ended,
	}
	x.c = host.NewConn(sock, x.id, f, &x.env)
	x.said = ConnInfo{
		ID: x.id, Listener: t.name, Generation: t.gen.number,
		Client: f.Remote, Phase: host.InMatching, Accepted: now,
	}
	e.live.add()
	s.active.Add(1)
	x.era.conns.Add(1)
	e.table.begin(x)
	e.enterMatching(x)
	go x.serve(e.life, t)
}

// flow says what is known of a connection before its first byte.
func (x *conn) flow(sock net.Conn) sdk.Flow {
	f := sdk.Flow{
		Network:  "unix",
		Accepted: x.accepted,
		Listener: x.listener,
		MaxHead:  x.target.server.Limits.MaxHead,
	}
	if remote := addrPort(sock.RemoteAddr()); remote.IsValid() {
		f.Network = "tcp"
		f.Local, f.Remote = addrPort(sock.LocalAddr()), remote
		x.peer = remote.Addr()
	}
	return f
}

// addrPort returns a TCP address as the program uses it, or the zero value.
func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(*net.TCPAddr); ok {
		return host.Plain(a.AddrPort())
	}
	return netip.AddrPort{}
}

// serve is the goroutine of a connection, until it ends or a relay has it.
func (x *conn) serve(ctx context.Context, t *target) {
	defer func() {
		if r := recover(); r != nil {
			x.panicked(r, debug.Stack())
		}
	}()
	err := t.server.Serve(ctx, x.c)
	if x.c.Given() {
		return
	}
	x.undecided()
	x.c.Finish(err)
}

// undecided notes that no route took the connection, while it has its head.
func (x *conn) undecided() {
	if x.phase() == host.InMatching {
		x.leaveMatching(x.c)
	}
}

// panicked ends a connection whose handler had a defect. One that was given away
// already is not touched.
func (x *conn) panicked(r any, stack []byte) {
	x.e.count.panics.Add(1)
	x.e.log.Error("a defect ended a connection: please report it",
		keyConnection, x.id, keyListener, x.listener, keyPanic, fmt.Sprint(r), keyStack, string(stack))
	if x.c.Given() {
		return
	}
	x.undecided()
	x.c.Finish(host.End(host.ByProxy, host.Panicked, fmt.Errorf("panic: %v", r)))
}

// entered is told by the connection's owner that a phase begins.
func (x *conn) entered(c *host.Conn, from, to host.Phase) {
	if from == host.InMatching {
		x.leaveMatching(c)
	}
	x.publish(c, to)
	switch to {
	case host.InMatching:
		x.e.enterMatching(x)
	case host.InRelay:
		x.release()
	}
}

// leaveMatching notes the decision of the outer matching phase, whatever it is.
func (x *conn) leaveMatching(c *host.Conn) {
	now, r := time.Now(), c.Record()
	x.caps.leaveMatching(x)
	if x.decision != 0 {
		return
	}
	if r.Matched.IsZero() && r.Route != "" {
		r.Matched = now
	}
	if timedOut(r.Final) {
		x.e.count.matchingTimeouts.Add(1)
	}
	x.decision = x.e.decisions.add(Decision{
		Time: now, ID: x.id, Client: c.Flow().Remote, Listener: x.listener,
		Route: r.Route, Bytes: len(c.Head()), Took: now.Sub(x.accepted), Final: r.Final,
	})
}

// publish makes what the owner knows known to everybody.
func (x *conn) publish(c *host.Conn, to host.Phase) {
	r := c.Record()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.said.Phase, x.said.Route, x.said.Upstream = to, r.Route, r.Upstream
	x.said.Client = c.Flow().Remote
}

func (x *conn) phase() host.Phase {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said.Phase
}

// info says where the connection is now, for any goroutine.
func (x *conn) info() ConnInfo {
	x.mu.Lock()
	info := x.said
	x.mu.Unlock()
	info.Up, info.Down = x.c.Counts()
	return info
}

// release gives the reference to the graph back.
func (x *conn) release() {
	if x.target == nil {
		return
	}
	x.target.gen.graph.Release()
	x.target = nil
}

// ended is told once how the connection ended, by whoever had it last.
func (x *conn) ended(c *host.Conn, o host.Outcome) {
	x.release()
	x.e.decisions.end(x.decision, o.Code)
	x.e.writeAccess(x, c, o)
	x.e.table.end(x, o)
	x.era.conns.Add(-1)
	x.socket.active.Add(-1)
	x.e.leave(x)
	x.e.live.done()
}
