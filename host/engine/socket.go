package engine

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host/engine/internal/listen"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/session"
)

// socket is a listening socket, which outlives graphs. Either the event loops or a
// goroutine of its own accept.
type socket struct {
	ln      *listen.Socket
	target  atomic.Pointer[target]
	leaving chan struct{} // closed when the socket is to stop accepting
	done    chan struct{} // closed when the socket is closed

	accepted, active, refused atomic.Int64
	sampler                   sampler
}

// target is where the connections of a socket go. The socket holds a reference to the
// target's graph as long as it aims there.
type target struct {
	*account
	gen    *served       // whose graph the server is of
	server *graph.Server // whose routes the connections are matched with
}

// account is the part of a target that its connections keep until their end: what
// they are counted and logged with. An account refers to no graph.
type account struct {
	generation *generation
	caps       *caps // of the server
	socket     *socket
	listener   string      // as configured
	env        session.Env // of the sessions
}

// newSocket returns a socket that does not accept yet.
func newSocket(ln *listen.Socket) *socket {
	return &socket{ln: ln, leaving: make(chan struct{}), done: make(chan struct{})}
}

// aim makes t the target of all connections accepted from now on. The caller holds a
// reference to t's graph, so that Retain cannot fail.
func (s *socket) aim(t *target) {
	t.gen.graph.Retain()
	if old := s.target.Swap(t); old != nil {
		old.gen.graph.Release()
	}
}

// acquire returns the target with a reference to its graph for the caller. If that
// graph is gone, the target has just been replaced: acquire looks again.
func (s *socket) acquire() *target {
	for {
		if t := s.target.Load(); t.gen.graph.Retain() {
			return t
		}
	}
}

// attend begins to accept: in event loops where there are some, else in a goroutine.
func (e *Engine) attend(s *socket) {
	if !e.attendInLoops(s) {
		go s.accept(e)
	}
}

// leave has the socket accept the clients that the kernel has queued, and end.
func (s *socket) leave() {
	close(s.leaving)
	_ = s.ln.Wake() // fails only on a closed socket, which does not wait
}

// isLeaving reports whether leave was called.
func (s *socket) isLeaving() bool {
	select {
	case <-s.leaving:
		return true
	default:
		return false
	}
}

// accept is the socket's goroutine, where there are no event loops.
func (s *socket) accept(e *Engine) {
	defer close(s.done)
	defer s.finish(e)
	var b backoff
	for {
		c, err := s.ln.Accept()
		switch {
		case err == nil:
			e.welcome(s, c)
			e.relieved(s, &b)
		case s.isLeaving():
			e.welcomeQueued(s)
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			e.relieved(s, &b)
		default:
			e.pause(s, &b, err)
		}
	}
}

// welcomeQueued serves the clients that the kernel has queued. Where clients come
// faster than they are accepted it stops after as many as any queue holds.
func (e *Engine) welcomeQueued(s *socket) {
	const maxQueue = 1 << 16
	for range maxQueue {
		c, err := s.ln.Queued()
		if err != nil {
			e.log.Warn("accepting what waits at a listener that goes", keyListener, s.target.Load().listener, keyError, err)
			return
		}
		if c == nil {
			return
		}
		e.welcome(s, c)
	}
}

// finish closes the socket and releases the reference to its target's graph.
func (s *socket) finish(e *Engine) {
	t := s.target.Load()
	if err := s.ln.Close(); err != nil {
		e.log.Warn("closing a listener", keyListener, t.listener, keyError, err)
	}
	if n := s.sampler.rest(); n > 0 {
		e.access.Info("connections without a line of their own", keyListener, t.listener, keySuppressed, n)
	}
	t.gen.graph.Release()
	s.target.Store(nil) // connections refer to the socket, and must keep no graph alive
}

// within bounds the next Accept without undoing a Wake.
func (s *socket) within(t time.Time) {
	_ = s.ln.SetDeadline(t) // fails only on a closed socket
	if s.isLeaving() {
		_ = s.ln.Wake()
	}
}

// backoff is how long a socket pauses after an error.
type backoff struct {
	delay    time.Duration
	strained bool // from the first error until the shortage is over
}

// The pauses after an error of accept, doubling between them.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// next returns how long to pause after one more error in a row.
func (b *backoff) next() time.Duration {
	b.strained = true
	b.delay = min(max(2*b.delay, minPause), maxPause)
	return b.delay
}
