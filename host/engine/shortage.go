package engine

import (
	"os"
	"sync"
	"time"
)

// shortage is a time in which accept fails: descriptors have run out, or memory. All
// sockets share it, so that it is told of once.
type shortage struct {
	mu     sync.Mutex
	spell  episode
	spare  *os.File // a descriptor to give up, so that clients can be told
	closed bool
}

const (
	// quiet is how long accept has to succeed until a shortage is over. It is more
	// than the longest pause, after which the next error may come.
	quiet = 2 * time.Second
	// shedAtOnce is how many clients are turned away after a pause.
	shedAtOnce = 64
)

// pause waits before the next accept. It never waits less than after the error
// before, so that accept does not spin; when the pauses are at their longest and
// nothing is better, clients that wait are turned away with the spare descriptor
// rather than left hanging.
func (e *Engine) pause(s *socket, b *backoff, err error) {
	timer := time.NewTimer(e.strained(s, b, err))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.leaving:
		return
	}
	s.within(time.Now().Add(quiet)) // so that the end is noticed without a client
}

// strained notes that accept failed, and returns how long to pause.
func (e *Engine) strained(s *socket, b *backoff, err error) time.Duration {
	if e.shortage.hit(time.Now()) {
		e.log.Warn("accepting pauses: connections wait until descriptors or memory are free",
			keyListener, s.target.Load().listener, keyError, err, keyConnections, e.live.count())
	}
	e.count.pauses.Add(1)
	if b.delay == maxPause {
		e.shed(s)
	}
	return b.next()
}

// relieved notes that accept works again, for this socket at least.
func (e *Engine) relieved(s *socket, b *backoff) {
	if !b.strained {
		return
	}
	if e.recovered(b) {
		s.within(time.Time{})
		return
	}
	s.within(time.Now().Add(quiet))
}

// recovered says whether a socket that accepts again need no longer be watched: the
// shortage is over.
func (e *Engine) recovered(b *backoff) bool {
	b.delay = 0
	n, over := e.shortage.over(time.Now())
	if over {
		e.log.Info("accepting goes on", keyPauses, n)
	}
	b.strained = !over && e.shortage.active()
	return !b.strained
}

// shed turns away clients that wait.
func (e *Engine) shed(s *socket) {
	e.shortage.mu.Lock()
	defer e.shortage.mu.Unlock()
	if e.shortage.spare == nil {
		e.shortage.open()
		return
	}
	e.shortage.spare.Close()
	n := s.ln.Shed(shedAtOnce)
	e.shortage.open()
	s.refused.Add(int64(n))
	e.count.refused[byDescriptors].Add(uint64(n))
}

func (s *shortage) hit(now time.Time) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spell.hit(now)
}

func (s *shortage) over(now time.Time) (n uint64, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spell.over(now, quiet)
}

func (s *shortage) active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spell.active
}

func (s *shortage) reserve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open()
}

// open takes the spare descriptor; without one it is tried again the next time.
func (s *shortage) open() {
	s.spare = nil
	if s.closed {
		return
	}
	if f, err := os.Open(os.DevNull); err == nil {
		s.spare = f
	}
}

func (s *shortage) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.spare != nil {
		s.spare.Close()
		s.spare = nil
	}
}

// episode is a time in which something keeps going wrong, of which the log tells
// twice: when it begins and when it is over.
type episode struct {
	active bool
	count  uint64
	last   time.Time
}

// hit notes that it went wrong and says whether that is new.
func (ep *episode) hit(now time.Time) (first bool) {
	first = !ep.active
	if first {
		ep.count = 0
	}
	ep.active, ep.last = true, now
	ep.count++
	return first
}

// over says once that nothing went wrong for so long, and how often it had.
func (ep *episode) over(now time.Time, quiet time.Duration) (count uint64, over bool) {
	if !ep.active || now.Sub(ep.last) < quiet {
		return 0, false
	}
	ep.active = false
	return ep.count, true
}
