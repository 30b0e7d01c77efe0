package engine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/session"
	"dwaar.dev/dwaar/sdk"
)

// conn is a session with what the engine keeps account of. When a relay has it, it
// refers to no graph.
type conn struct {
	session.Session
	*post
	e        *Engine
	peer     netip.AddrPort // whose address the caps count; zero on Unix sockets
	decision uint64         // its number in the ring of decisions, 0: none yet
	place    place          // in the queue of the matching phase, guarded by caps
}

// looped is a conn in an event loop.
type looped struct {
	conn
	loop.Driver
}

// welcome begins the session of a connection that was accepted on s.
func (e *Engine) welcome(s *socket, sock net.Conn) {
	x := new(conn)
	if !e.begin(x, s, addrPort(sock.LocalAddr()), addrPort(sock.RemoteAddr())) {
		sock.Close()
		return
	}
	go x.Serve(sock, nil)
}

// begin counts a connection in and makes it a session, unless a cap forbids it.
func (e *Engine) begin(x *conn, s *socket, local, remote netip.AddrPort) bool {
	now, t := time.Now(), s.acquire()
	x.post, x.e, x.peer = t.post, e, remote
	id := e.ids.Add(1)
	s.accepted.Add(1)
	if why, ok := e.admit(x, now); !ok {
		t.gen.graph.Release()
		e.refuse(x, id, why)
		return false
	}
	f := sdk.Flow{Network: "unix", Accepted: now, Listener: x.listener, MaxHead: t.server.Limits.MaxHead}
	if remote.IsValid() {
		f.Network, f.Local, f.Remote = "tcp", local, remote
	}
	x.Init(&x.env, x, &session.Begin{ID: id, Flow: f, Routes: t.server.Routes(), Graph: t.gen.graph})
	e.live.add()
	x.socket.active.Add(1)
	x.era.conns.Add(1)
	e.table.begin(x)
	e.enterMatching(x)
	return true
}

// addrPort returns a TCP address as the program uses it, or the zero value.
func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(*net.TCPAddr); ok {
		return host.Plain(a.AddrPort())
	}
	return netip.AddrPort{}
}

// Decided implements [session.Owner].
func (x *conn) Decided() {
	x.caps.leaveMatching(x)
	r, f, final := x.Record(), x.Flow(), x.Final()
	took := r.Matched
	if took == 0 {
		took = time.Since(x.Accepted())
	}
	if timedOut(final) {
		x.e.count.matchingTimeouts.Add(1)
	}
	x.decision = x.e.decisions.add(Decision{
		Time: x.Accepted().Add(took), ID: x.ID(), Client: f.Remote, Listener: x.listener,
		Route: x.Route(), Bytes: len(f.Head), Took: took, Final: final,
	})
}

func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// Ended implements [session.Owner].
func (x *conn) Ended(o host.Outcome) {
	if o.Code.Why == host.Panicked {
		x.e.count.panics.Add(1)
	}
	x.e.decisions.end(x.decision, o.Code)
	x.e.writeAccess(x, o)
	x.e.table.end(x, o)
	x.era.conns.Add(-1)
	x.socket.active.Add(-1)
	x.e.leave(x)
	x.e.live.done()
}

// phase is the phase that x is in; of one that is just closing it is the last.
func (x *conn) phase() host.Phase { return host.Phase(min(x.State(), session.Relaying)) }

// info says where the connection is now, for any goroutine.
func (x *conn) info() ConnInfo {
	client := x.peer
	if p := x.Proxied(); p != nil {
		client = *p
	}
	up, down := x.Counts()
	return ConnInfo{
		ID: x.ID(), Listener: x.listener, Generation: x.era.number, Accepted: x.Accepted(),
		Client: client, Route: x.Route(), Upstream: x.Upstream(), Phase: x.phase(), Up: up, Down: down,
	}
}
