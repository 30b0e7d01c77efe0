package engine

import (
	"context"
	"fmt"
	"log/slog"
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
	*post
	e    *Engine
	id   uint64
	c    *host.Conn
	peer netip.AddrPort // whose address the caps count; zero on Unix sockets

	target   *target // nil once its graph was released
	decision uint64  // its number in the ring of decisions, 0: none yet
	place    place   // in the queue of the matching phase, guarded by caps

	mu   sync.Mutex
	said said
}

// said is what the owner of a connection last said of it, for other goroutines.
type said struct {
	proxied         *netip.AddrPort // the client that a PROXY header named; nil: it is the peer
	route, upstream string
	phase           host.Phase
}

// welcome begins the life of a connection that was accepted on s.
func (e *Engine) welcome(s *socket, sock net.Conn) {
	x := new(conn)
	f, ok := e.begin(x, s, addrPort(sock.LocalAddr()), addrPort(sock.RemoteAddr()))
	if !ok {
		sock.Close()
		return
	}
	server := x.target.server
	e.enroll(x, host.NewConn(sock, x.id, f, &x.env))
	go x.serve(func(ctx context.Context) error { return server.Serve(ctx, x.c) })
}

// begin counts a connection in and says what is known of it before its first byte,
// unless a cap forbids it.
func (e *Engine) begin(x *conn, s *socket, local, remote netip.AddrPort) (f sdk.Flow, ok bool) {
	now, t := time.Now(), s.acquire()
	x.post, x.e, x.id, x.peer, x.target = t.post, e, e.ids.Add(1), remote, t
	s.accepted.Add(1)
	if why, ok := e.admit(x, now); !ok {
		e.refuse(x, why)
		return f, false
	}
	f = sdk.Flow{Network: "unix", Accepted: now, Listener: x.listener, MaxHead: t.server.Limits.MaxHead}
	if remote.IsValid() {
		f.Network, f.Local, f.Remote = "tcp", local, remote
	}
	return f, true
}

// enroll makes a connection known that was let in.
func (e *Engine) enroll(x *conn, c *host.Conn) {
	x.c = c
	c.SetKeeper(x)
	x.said.phase = host.InMatching
	e.live.add()
	x.socket.active.Add(1)
	x.era.conns.Add(1)
	e.table.begin(x)
	e.enterMatching(x)
}

// environment is what the connections of a post get from the engine.
func (e *Engine) environment(log *slog.Logger) host.Env {
	return host.Env{
		Heads: e.heads, Log: log, Getenv: e.getenv, Own: e.owns, Start: e.relayer(),
		Terse:   !e.access.Enabled(e.life, slog.LevelInfo),
		Entered: func(c *host.Conn, from, to host.Phase) { keeper(c).entered(c, from, to) },
		Ended:   func(c *host.Conn, o host.Outcome) { keeper(c).ended(c, o) },
	}
}

func keeper(c *host.Conn) *conn { return c.Keeper().(*conn) }

// addrPort returns a TCP address as the program uses it, or the zero value.
func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(*net.TCPAddr); ok {
		return host.Plain(a.AddrPort())
	}
	return netip.AddrPort{}
}

// serve is the goroutine of a connection, until it ends or a relay has it. run gives
// it to its route.
func (x *conn) serve(run func(context.Context) error) {
	defer func() {
		if r := recover(); r != nil {
			x.panicked(r, debug.Stack())
		}
	}()
	err := run(x.e.life)
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
	r := c.Record()
	x.caps.leaveMatching(x)
	if x.decision != 0 {
		return
	}
	took := c.Age()
	if r.Route != "" {
		r.Matched = max(took, 1)
	}
	if timedOut(r.Final) {
		x.e.count.matchingTimeouts.Add(1)
	}
	x.decision = x.e.decisions.add(Decision{
		Time: c.Accepted().Add(took), ID: x.id, Client: c.Flow().Remote, Listener: x.listener,
		Route: r.Route, Bytes: len(c.Head()), Took: took, Final: r.Final,
	})
}

// publish makes what the owner knows known to everybody.
func (x *conn) publish(c *host.Conn, to host.Phase) {
	r := c.Record()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.said = said{proxied: c.Proxied(), route: r.Route, upstream: r.Upstream, phase: to}
}

func (x *conn) phase() host.Phase {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said.phase
}

// info says where the connection is now, for any goroutine.
func (x *conn) info() ConnInfo {
	x.mu.Lock()
	s := x.said
	x.mu.Unlock()
	client := x.peer
	if s.proxied != nil {
		client = *s.proxied
	}
	up, down := x.c.Counts()
	return ConnInfo{
		ID: x.id, Listener: x.listener, Generation: x.era.number, Accepted: x.c.Accepted(),
		Client: client, Route: s.route, Upstream: s.upstream, Phase: s.phase, Up: up, Down: down,
	}
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
