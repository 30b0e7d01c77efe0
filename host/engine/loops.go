package engine

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host/engine/internal/listen"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/session"
)

// relayer returns what relays for sessions: the event loops, or nil for relay.Start.
func (e *Engine) relayer() session.Relayer {
	if e.loops == nil {
		return nil
	}
	return e.loops.Start
}

// attendInLoops has the event loops accept the clients of a socket, and reports
// whether they do: not without loops, and only for a stream socket.
func (e *Engine) attendInLoops(s *socket) bool {
	if e.loops == nil {
		return false
	}
	fd, err := s.ln.Bare()
	if err != nil {
		return false
	}
	a := &acceptor{e: e, s: s}
	if at := addrPort(s.ln.Addr()); at.IsValid() && !at.Addr().IsUnspecified() {
		a.local = at
	}
	l, err := e.loops.Listen(fd, a)
	if err != nil {
		listen.Discard(fd)
		return false
	}
	s.ln.Use(fd)
	go a.untilLeaving(l)
	return true
}

// acceptor makes sessions of the clients that the event loops accept from a socket.
type acceptor struct {
	e     *Engine
	s     *socket
	local netip.AddrPort // local address of every connection; the zero value: they differ

	strained atomic.Bool // accept has failed, and the shortage is not known to be over
	mu       sync.Mutex
	b        backoff
	watch    *time.Timer // calls relieved where no client comes
}

// untilLeaving waits until the socket is to leave, and finishes it.
func (a *acceptor) untilLeaving(l *loop.Listener) {
	defer close(a.s.done)
	<-a.s.leaving
	<-l.Leave()
	a.mu.Lock()
	if a.watch != nil {
		a.watch.Stop()
	}
	a.mu.Unlock()
	a.s.finish(a.e)
}

// Accepted implements [loop.Acceptor].
func (a *acceptor) Accepted(p loop.Peer) *loop.Client {
	if a.strained.Load() {
		a.relieved()
	}
	x := new(looped)
	if !a.e.begin(&x.conn, a.s, a.local, p.Addr) {
		return nil
	}
	x.Drive(&x.Session)
	return &x.Client
}

// Failed implements [loop.Acceptor]: the loops pause as the socket's goroutine would.
func (a *acceptor) Failed(err error) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.strained.Store(true)
	pause := a.e.strained(a.s, &a.b, err)
	a.lookAfter(pause + quiet)
	return pause
}

// relieved is called when accept works again, or no client came for a while.
func (a *acceptor) relieved() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.b.strained && !a.e.recovered(&a.b, time.Now()) {
		a.lookAfter(quiet)
		return
	}
	a.strained.Store(false)
}

// lookAfter has relieved called after d. a.mu is held.
func (a *acceptor) lookAfter(d time.Duration) {
	if a.watch == nil {
		a.watch = time.AfterFunc(d, a.relieved)
		return
	}
	a.watch.Reset(d)
}
