package loop

import (
	"math"

	"dwaar.dev/dwaar/host/relay"
)

// ticksUntil returns the first tick that is not before a time.
func ticksUntil(at int64) int64 { return (at + tick - 1) >> tickShift }

// dueAt returns when the slot is looked at if nothing happens before.
func (s *slot) dueAt() int64 {
	if s.stage != joined {
		if s.until > 0 {
			return s.until
		}
		return math.MaxInt64
	}
	limit, _ := s.policy.Limit()
	at := int64(limit)
	if s.tuneAt > 0 {
		return min(at, s.tuneAt)
	}
	return at
}

// after returns t+d, or a time that never comes if the sum overflows.
func after(t, d int64) int64 {
	if d > math.MaxInt64-tick-t {
		return math.MaxInt64 - tick
	}
	return t + d
}

// rearm has the pair looked at when its limit is due. A timer is not moved into the
// future: a look too early costs less than moving the timer with every byte.
func (r *loop) rearm(i int32, s *slot) {
	at := s.dueAt()
	if at == math.MaxInt64 {
		return
	}
	if due := ticksUntil(at); s.timer.level == none || due < s.timer.due {
		r.wheel.set(&r.slab, i, due)
	}
}

// expire looks at the pairs and clients whose timers are due.
func (r *loop) expire() {
	r.due = r.wheel.advance(&r.slab, r.now>>tickShift, r.due[:0])
	for _, i := range r.due {
		s := r.slab.at(i)
		if s.stage != joined {
			r.dueClient(i, s)
			continue
		}
		if s.tuneAt > 0 && r.now >= s.tuneAt {
			s.tuneAt = 0
			keepAlive(s.ends[1].fd)
		}
		at, reason := s.policy.Limit()
		switch {
		case r.now >= int64(at):
			s.policy.Blame(s.policy.Culprit(reason, s.stuck()), reason)
			r.end(i, s)
		case s.flushing:
			r.flush(i, s)
		default:
			r.rearm(i, s)
		}
	}
}

// stuck returns the end that does not take its bytes; relay.Self: both do.
func (s *slot) stuck() relay.Side {
	for e := range s.ends {
		if src := &s.ends[e]; !s.ends[1-e].is(writable) && (src.pending() || src.is(readable)) {
			return sideOf(1 - e)
		}
	}
	return relay.Self
}
