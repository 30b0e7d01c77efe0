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

// relayer relays in event loops what it can.
func (e *Engine) relayer() session.Relayer {
	if e.loops == nil {
		return nil
	}
	return e.loops.Start
}

// attendInLoops lets the event loops accept for a socket, if there are some and the
// socket is one of streams.
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

// acceptor is told of a socket's clients by the event loops.
type acceptor struct {
	e     *Engine
	s     *socket
	local netip.AddrPort // of every connection; the zero value: of each another one

	strained atomic.Bool // accept failed, and it is not known to be over
	mu       sync.Mutex
	b        backoff
	watch    *time.Timer // looks whether it is over, though no client comes
}

// untilLeaving ends the socket when it is told to.
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

// Failed implements [loop.Acceptor].
func (a *acceptor) Failed(err error) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.strained.Store(true)
	pause := a.e.strained(a.s, &a.b, err)
	a.lookAfter(pause + quiet)
	return pause
}

// relieved notes that accept works, or that no client came for a while.
func (a *acceptor) relieved() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.b.strained && !a.e.recovered(&a.b) {
		a.lookAfter(quiet)
		return
	}
	a.strained.Store(false)
}

// lookAfter looks again whether the shortage is over. a.mu is held.
func (a *acceptor) lookAfter(d time.Duration) {
	if a.watch == nil {
		a.watch = time.AfterFunc(d, a.relieved)
		return
	}
	a.watch.Reset(d)
}
