package throttle

import (
	"math"
	"sync"
	"time"

	"dwaar.dev/dwaar/builtin/internal/deadline"
)

// bucket has tokens for bytes, which come back at a rate. Any goroutine may use it.
type bucket struct {
	rate, burst float64 // tokens a second, and how many there are at most

	mu     sync.Mutex
	tokens float64 // less than 0: some were taken before they came
	at     time.Time
}

// take takes n tokens, and returns how long whoever took them has to wait for them.
func (b *bucket) take(n int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at.IsZero() {
		b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*b.rate, b.burst)
	}
	b.at = now
	b.tokens -= float64(n)
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(min(-b.tokens/b.rate*float64(time.Second), math.MaxInt64/2))
}

// pace is how fast the bytes of one direction may go.
type pace struct {
	latency  time.Duration
	buckets  [2]*bucket // of the connection, and of all together; nil: no limit
	most     int        // bytes that go in one piece
	deadline deadline.Deadline
}

func (p *pace) init(latency time.Duration, own, all *bucket) {
	p.latency, p.buckets, p.most = latency, [2]*bucket{own, all}, math.MaxInt
	for _, b := range p.buckets {
		if b != nil {
			p.most = max(min(p.most, int(b.burst)), 1)
		}
	}
}

// due returns when n bytes that are here may go on.
func (p *pace) due(n int) time.Time {
	now, wait := time.Now(), time.Duration(0)
	for _, b := range p.buckets {
		if b != nil {
			wait = max(wait, b.take(n, now))
		}
	}
	return now.Add(wait + p.latency)
}
