package relay

import (
	"math"
	"time"
)

// Policy is what ends a link, whose doing that is, and which reason counts: the same
// for every implementation of [Start]. It holds no pointer. Its owner guards it, and
// gives it the times of one clock of its own.
type Policy struct {
	Moved    time.Duration // when the last byte moved
	LingerAt time.Duration // when delivery must be over, as an end broke; 0: none did
	First    Side          // the end that finished first; Self: none has
	By       Side          // as in Result, once Caused
	Reason   Reason        // as in Result, once Caused
	Caused   bool          // By and Reason are final
	Mute     bool          // a finish could not be passed on

	born, idle, half, life, linger time.Duration
}

// farthest is later than any limit: sums with it do not overflow.
const farthest = time.Duration(math.MaxInt64 / 2)

// after is t+d, where d may be what stands for "never".
func after(t, d time.Duration) time.Duration {
	if d > farthest-t {
		return farthest
	}
	return t + d
}

// Begin sets the limits of a link that begins now.
func (p *Policy) Begin(now time.Duration, o *Options) {
	*p = Policy{Moved: now, born: now, idle: o.Idle, half: o.HalfClose, life: o.Lifetime, linger: o.Linger}
	if p.linger <= 0 {
		p.linger = DefaultLinger
	}
}

// Blame records why the link ends, once. It reports whether it was the first to say so.
func (p *Policy) Blame(by Side, r Reason) bool {
	if p.Caused {
		return false
	}
	p.Caused, p.By, p.Reason = true, by, r
	return true
}

// Break notes that an end broke: what it had sent is delivered within Options.Linger. It
// reports whether that is why the link ends.
func (p *Policy) Break(now time.Duration, by Side, r Reason) bool {
	if p.LingerAt == 0 {
		p.LingerAt = after(now, p.linger)
	}
	return p.Blame(by, r)
}

// Finish notes that an end has finished sending.
func (p *Policy) Finish(now time.Duration, by Side) {
	if p.First == Self {
		p.First = by
	}
	p.Moved = now
}

// Limit returns what ends the link if nothing happens before, and when; the greatest
// duration: nothing does.
func (p *Policy) Limit() (at time.Duration, r Reason) {
	if p.LingerAt > 0 {
		return p.LingerAt, Reset
	}
	at = math.MaxInt64
	if p.idle > 0 {
		at, r = after(p.Moved, p.idle), Idle
	}
	if d := p.halfClose(); d > 0 && p.First != Self && after(p.Moved, d) <= at {
		at, r = after(p.Moved, d), HalfClosed
	}
	if p.life > 0 && after(p.born, p.life) < at {
		at, r = after(p.born, p.life), Expired
	}
	return at, r
}

// halfClose returns the limit for a link that one end has finished.
func (p *Policy) halfClose() time.Duration {
	if p.Mute && (p.half <= 0 || p.half > p.linger) {
		return p.linger
	}
	return p.half
}

// Culprit returns the end that a limit blames. stuck is the end that does not take its
// bytes; Self: both do.
func (p *Policy) Culprit(r Reason, stuck Side) Side {
	switch {
	case r == Expired:
		return Self
	case stuck != Self:
		return stuck
	case r == HalfClosed && p.First != Self:
		return Down + Up - p.First
	}
	return Self
}
