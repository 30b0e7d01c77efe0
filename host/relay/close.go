package relay

import (
	"errors"
	"time"
)

// The pauses between two looks at a send queue. On the loopback the queue is empty
// within the first one; 50 ms are short beside the round trips of a slow peer.
const (
	firstLook = time.Millisecond
	lastLook  = 50 * time.Millisecond
)

// close closes both ends: in order where the peer got everything, with a reset where it
// did not. Both halves have left.
func (l *link) close() {
	var cut [2]bool // ends[i] did not get everything
	l.mu.Lock()
	for i := range l.ends {
		toward := &l.halves[1-i]
		cut[i] = !l.ends[i].gone.Load() && (toward.cut || len(toward.head) > 0 || toward.src.unread() > 0)
	}
	l.mu.Unlock()
	for i := range l.ends {
		if l.part(&l.ends[i], l.ends[1-i].gone.Load(), cut[i]) {
			l.mu.Lock()
			l.res.Cut = true
			l.mu.Unlock()
		}
	}
}

// part closes s. otherBroke and cut report whether the other end broke and whether s
// misses bytes. part reports whether s was reset without having got everything.
func (l *link) part(s *side, otherBroke, cut bool) bool {
	switch {
	case s.gone.Load() || cut:
		s.reset()
		return cut
	case !otherBroke:
		s.close()
		return false
	}
	err := l.flush(s)
	if errors.Is(err, errors.ErrUnsupported) {
		s.close() // delivery before accuracy: a reset now could drop bytes
		return false
	}
	s.reset()
	return err != nil
}

// errStopped is the error of a flush that was ended early.
var errStopped = errors.New("waiting for the send queue: stopped")

// flush waits until the peer of s has everything that was written to s, or the link is
// stopped: by its timer after Options.Linger, or by Kill.
func (l *link) flush(s *side) error {
	var (
		n     int
		err   error
		timer *time.Timer
	)
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		s.ask(func(fd uintptr) { n, err = unsent(fd) })
		if err != nil || n == 0 {
			return err
		}
		if timer == nil {
			timer = time.NewTimer(pause)
			defer timer.Stop()
		} else {
			timer.Reset(pause)
		}
		select {
		case <-timer.C:
		case <-l.over:
			return errStopped
		}
	}
}
