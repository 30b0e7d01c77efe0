package engine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine/internal/crowd"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/session"
	"dwaar.dev/dwaar/sdk"
)

// conn is a session with what the engine counts and logs of it. A conn refers to no
// graph once a relay has the session.
type conn struct {
	session.Session
	*account
	e        *Engine
	peer     netip.AddrPort // the address that the caps count; zero on Unix sockets
	decision uint64         // number of the connection's decision in the ring; 0: none yet
	place    crowd.Place    // in the ledgers of the program and of the server
}

// looped is a conn with the driver of an event loop.
type looped struct {
	conn
	loop.Driver
}

// welcome begins the session of a connection that was accepted on s, in a goroutine.
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
	x.account, x.e, x.peer = t.account, e, remote
	id := e.ids.Add(1)
	s.accepted.Add(1)
	if why, ok := e.admit(x, now); !ok {
		t.gen.graph.Release()
		e.refuse(x, id, why, now)
		return false
	}
	f := sdk.Flow{Network: "unix", Accepted: now, Listener: x.listener, MaxHead: t.server.Limits.MaxHead}
	if remote.IsValid() {
		f.Network, f.Local, f.Remote = "tcp", local, remote
	}
	x.Init(&x.env, x, &session.Begin{ID: id, Flow: f, Routes: t.server.Routes(), Graph: t.gen.graph})
	e.live.add()
	x.socket.active.Add(1)
	x.generation.conns.Add(1)
	e.table.begin(x)
	return true
}

// addrPort returns a TCP address as the program uses it, or the zero value.
func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(*net.TCPAddr); ok {
		return host.Plain(a.AddrPort())
	}
	return netip.AddrPort{}
}

// Decided implements [session.Owner]: the connection is not among the undecided ones of
// its crowd any more, and its decision is remembered.
func (x *conn) Decided() {
	x.caps.ledger.Decide(&x.place)
	x.e.whole.Decide(&x.place)
	r, f, final := x.Record(), x.Flow(), x.Final()
	took := r.Matched
	if took == 0 {
		took = time.Since(x.Accepted())
	}
	if timedOut(final) {
		x.e.count.matchingTimeouts.Add(1)
	}
	x.decision = x.e.decisions.add(&Decision{
		Time: x.Accepted().Add(took), ID: x.ID(), Client: f.Remote, Local: f.Local, Listener: x.listener, Generation: x.generation.number,
		Route: x.Route(), Bytes: len(f.Head), Took: took, Final: final, Head: f.Head[:min(len(f.Head), x.generation.keep)],
	}, x.Trail(), x.Facts())
}

// Readdressed implements [session.Owner]: the decision is one about the client that a
// PROXY header names.
func (x *conn) Readdressed() {
	f := x.Flow()
	x.e.decisions.readdress(x.decision, f.Remote, f.Local)
}

// timedOut reports whether a matching phase ended at its deadline.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// Ended implements [session.Owner]: everything that begin counted in is counted out.
func (x *conn) Ended(o host.Outcome) {
	if o.Code.Why == host.Panicked {
		x.e.count.panics.Add(1)
	}
	x.e.decisions.end(x.decision, o.Code, x.Upstream())
	x.e.writeAccess(x, o)
	x.e.table.end(x, o)
	x.generation.conns.Add(-1)
	x.socket.active.Add(-1)
	x.e.leave(x)
	x.caps.spells.tellRecovery(x.e, x.listener, o.Ended)
	x.e.live.done()
}

// phase returns the phase that x is in; the last one while x is being closed.
func (x *conn) phase() host.Phase { return host.Phase(min(x.State(), session.Relaying)) }

// client returns the address of the client, and whether a PROXY header named it; the zero
// value is what a client of a Unix socket has. Any goroutine may call client.
func (x *conn) client() (client netip.AddrPort, proxied bool) {
	if p := x.Proxied(); p != nil {
		return *p, true
	}
	return x.peer, false
}

// info describes the connection as it is now. Any goroutine may call info.
func (x *conn) info() ConnInfo {
	client, _ := x.client()
	up, down := x.Counts()
	return ConnInfo{
		ID: x.ID(), Listener: x.listener, Generation: x.generation.number, Accepted: x.Accepted(),
		Client: client, Route: x.Route(), Upstream: x.Upstream(), Phase: x.phase(), Up: up, Down: down,
	}
}
