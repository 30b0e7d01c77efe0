package relay

import (
	"math"
	"testing"
	"time"
)

func TestThePolicyNamesTheLimitThatIsDueFirst(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, c := range map[string]struct {
		o     Options
		after func(*Policy)
		at    time.Duration
		why   Reason
	}{
		"none":                      {Options{}, func(*Policy) {}, math.MaxInt64, Finished},
		"idle":                      {Options{Idle: 5 * s}, func(p *Policy) { p.Moved = 20 * s }, 25 * s, Idle},
		"lifetime":                  {Options{Idle: 5 * s, Lifetime: 2 * s}, func(*Policy) {}, 12 * s, Expired},
		"half-closed":               {Options{Idle: 5 * s, HalfClose: 3 * s}, func(p *Policy) { p.Finish(11*s, Down) }, 14 * s, HalfClosed},
		"half-close alone":          {Options{HalfClose: 3 * s}, func(*Policy) {}, math.MaxInt64, Finished},
		"a longer half-close":       {Options{Idle: 2 * s, HalfClose: 3 * s}, func(p *Policy) { p.Finish(11*s, Down) }, 13 * s, Idle},
		"a finish nobody is told":   {Options{Linger: 4 * s}, func(p *Policy) { p.Finish(11*s, Up); p.Mute = true }, 15 * s, HalfClosed},
		"delivery behind a break":   {Options{Idle: s, Linger: 4 * s}, func(p *Policy) { p.Break(11*s, Up, Reset) }, 15 * s, Reset},
		"linger by itself":          {Options{}, func(p *Policy) { p.Break(11*s, Up, Reset) }, 11*s + DefaultLinger, Reset},
		"the first break, not both": {Options{Linger: 4 * s}, func(p *Policy) { p.Break(11*s, Up, Reset); p.Break(12*s, Down, Broken) }, 15 * s, Reset},
	} {
		var p Policy
		p.Begin(10*s, &c.o)
		c.after(&p)
		if at, why := p.Limit(); at != c.at || why != c.why {
			t.Errorf("%s: %v at %v, want %v at %v", name, why, at, c.why, c.at)
		}
	}
}

func TestThePolicyBlamesWhoKeepsTheLinkFromMoving(t *testing.T) {
	t.Parallel()
	var p Policy
	p.Begin(0, &Options{})
	for _, c := range []struct {
		why         Reason
		stuck, want Side
	}{{Expired, Up, Self}, {Idle, Up, Up}, {Idle, Self, Self}, {HalfClosed, Self, Self}} {
		if got := p.Culprit(c.why, c.stuck); got != c.want {
			t.Errorf("%v with %v stuck: %v, want %v", c.why, c.stuck, got, c.want)
		}
	}
	p.Finish(0, Down)
	p.Finish(0, Up)
	if got := p.Culprit(HalfClosed, Self); got != Up || p.First != Down {
		t.Errorf("half-closed by %v: %v, want the other end", p.First, got)
	}
	if !p.Blame(Up, Reset) || p.Blame(Down, Broken) || p.Break(0, Down, Broken) || p.By != Up || p.Reason != Reset {
		t.Errorf("blames %v for %v, want the first", p.By, p.Reason)
	}
}
