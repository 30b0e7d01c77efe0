package engine

import (
	"net/netip"
	"os"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
)

// shortage is the state of accept while descriptors or memory run out. All sockets
// share one shortage, so that the log reports it once.
type shortage struct {
	mu     sync.Mutex
	spell  episode
	spare  *os.File // a descriptor to give up, so that waiting clients can be turned away
	closed bool
}

const (
	// quiet is how long accept must not fail until a shortage is over. It is longer
	// than the longest pause, after which the next error may come.
	quiet = 2 * time.Second
	// shedAtOnce is how many clients are turned away after a pause.
	shedAtOnce = 64
)

// pause waits before the next accept: after each error in a row at least as long as
// after the one before, so that accept does not spin. When even the longest pause has
// not helped, waiting clients are turned away with the spare descriptor rather than
// left hanging.
func (e *Engine) pause(s *socket, b *backoff, err error) {
	timer := time.NewTimer(e.strained(s, b, err))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.leaving:
		return
	}
	s.within(time.Now().Add(quiet)) // so that the end of the shortage is noticed without a client
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

// relieved is called when accept works again for one socket.
func (e *Engine) relieved(s *socket, b *backoff) {
	if b.strained {
		s.within(e.patience(b, time.Now()))
	}
}

// patience returns until when the next accept waits for a client: until the end of the
// shortage can be noticed, and where that is over, the zero time, for ever.
func (e *Engine) patience(b *backoff, now time.Time) time.Time {
	if e.recovered(b, now) {
		return time.Time{}
	}
	return now.Add(quiet)
}

// recovered reports whether the shortage is over, so that a socket that accepts again
// need not be watched any more.
func (e *Engine) recovered(b *backoff, now time.Time) bool {
	b.delay = 0
	n, over := e.shortage.over(now)
	if over {
		e.log.Info("accepting goes on", keyPauses, n)
	}
	b.strained = !over && e.shortage.active()
	return !b.strained
}

// shed turns away clients that the kernel has queued.
func (e *Engine) shed(s *socket) {
	e.shortage.mu.Lock()
	defer e.shortage.mu.Unlock()
	if e.shortage.spare == nil {
		e.shortage.open()
		return
	}
	e.shortage.spare.Close()
	n := s.ln.Shed(shedAtOnce, func(from netip.AddrPort) {
		e.record(s.target.Load().account, host.Plain(from), byDescriptors, false, time.Now())
	})
	e.shortage.open()
	s.refused.Add(int64(n))
}

// hit is [episode.hit] under the lock.
func (s *shortage) hit(now time.Time) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spell.hit(now)
}

// over is [episode.over] under the lock.
func (s *shortage) over(now time.Time) (n uint64, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spell.over(now, quiet)
}

// active reports whether there is a shortage now.
func (s *shortage) active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spell.active
}

// reserve opens the spare descriptor.
func (s *shortage) reserve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open()
}

// open opens the spare descriptor. Where that fails, shed tries again. s.mu is held.
func (s *shortage) open() {
	s.spare = nil
	if s.closed {
		return
	}
	if f, err := os.Open(os.DevNull); err == nil {
		s.spare = f
	}
}

// close gives the spare descriptor back for good.
func (s *shortage) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.spare != nil {
		s.spare.Close()
		s.spare = nil
	}
}

// episode is a time during which an error comes again and again. The log reports its
// beginning and its end.
type episode struct {
	active bool
	count  uint64    // errors since the beginning
	last   time.Time // of the latest error
}

// hit counts an error and reports whether it begins an episode.
func (ep *episode) hit(now time.Time) (first bool) {
	first = !ep.active
	if first {
		ep.count = 0
	}
	ep.active, ep.last = true, now
	ep.count++
	return first
}

// over ends the episode if no error came for so long. It reports that once, with the
// number of errors.
func (ep *episode) over(now time.Time, quiet time.Duration) (count uint64, over bool) {
	if ep.active && now.Sub(ep.last) >= quiet {
		ep.active, count, over = false, ep.count, true
	}
	return count, over
}
