package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// windUp is how long an ended link waits for connections that ignore their
	// deadlines (a wrapper that sleeps, close_notify into a full socket) before it
	// closes the sockets beneath them.
	windUp = time.Second
	// probeEvery is how often the timer looks whether the source of a half that is
	// stuck in Write was reset: nobody reads that source meanwhile.
	probeEvery = 15 * time.Second
)

// link is two connections joined by two goroutines: the portable [Runner].
type link struct {
	handle Link
	done   func(Result) // nil: nobody is told
	probe  time.Duration
	born   time.Time
	ends   [2]side       // the client, the upstream
	halves [2]half       // halves[i] reads ends[i] and writes ends[1-i]
	moved  atomic.Int64  // when the last byte moved, in ns since born
	over   chan struct{} // closed when ended is set

	mu      sync.Mutex
	timer   *time.Timer   // the only one: for limits, linger, windUp and probe
	running int           // halves that have not left
	ended   bool          // both halves are to leave now
	closed  bool          // both descriptors are closed
	policy  Policy        // of times since born; its Moved is brought up to date by limit
	slamAt  time.Duration // since born: when sockets are closed by force, once ended
	res     Result
}

// Start joins down, the client, and up, the upstream. It owns both from now
// on, returns at once, and calls o.Done when the link has ended and both are
// closed. Deadlines that were set on them are cleared.
func Start(down, up Endpoint, o Options) *Link {
	return &start(down, up, o, probeEvery).handle
}

func start(down, up Endpoint, o Options, probe time.Duration) *link {
	l := &link{done: o.Done, probe: probe, born: time.Now(), over: make(chan struct{}), running: 2}
	l.policy.Begin(0, &o)
	l.handle = LinkTo(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(probe, l.tick)
	failed := [2]error{l.ends[0].open(Down, down), l.ends[1].open(Up, up)}
	l.halves[0].head, l.halves[1].head = down.Head, up.Head
	for i := range l.halves {
		l.halves[i].join(l, &l.ends[i], &l.ends[1-i])
		if failed[i] != nil {
			l.broke(&l.ends[i], failed[i])
		}
	}
	for i := range l.halves {
		go l.halves[i].run()
	}
	l.rearm()
	return l
}

// Kill is [Link.Kill].
func (l *link) Kill(r Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop(Self, r)
}

// Counts is [Link.Counts].
func (l *link) Counts() (up, down int64) {
	return l.halves[0].n.Load(), l.halves[1].n.Load()
}

// touch notes that a byte moved.
func (l *link) touch() { l.moved.Store(int64(l.age())) }

// age returns the time since the link began.
func (l *link) age() time.Duration { return time.Since(l.born) }

// stop ends the link now: both halves are woken and leave. l.mu is held.
func (l *link) stop(by Side, r Reason) {
	if l.ended {
		return
	}
	l.policy.Blame(by, r)
	l.ended = true
	close(l.over)
	l.slamAt = l.age() + windUp
	for i := range l.ends {
		l.ends[i].wakeReader()
		l.ends[i].wakeWriter()
	}
	l.rearm()
}

// broke notes that s can receive no more. The half that reads s still delivers what s
// had sent; the half that writes to s is woken, and leaves. l.mu is held.
func (l *link) broke(s *side, err error) {
	if l.ended || s.gone.Load() {
		return
	}
	s.gone.Store(true)
	if l.policy.Break(l.age(), s.name, reasonOf(err)) {
		l.res.Err = err
	}
	s.wakeWriter()
	from := int(s.name - Down)
	l.ends[1-from].wakeReader()
	if l.halves[from].finished {
		s.wakeReader() // its half only watches for a reset
	}
	l.rearm()
}

// leave is the last thing a half does. The second half to leave closes both ends and
// calls Done.
func (l *link) leave() {
	l.mu.Lock()
	l.running--
	last := l.running == 0
	l.mu.Unlock()
	if !last {
		return
	}
	l.close()
	l.mu.Lock()
	l.closed, l.ended = true, true
	l.timer.Stop()
	l.res.By, l.res.Reason = l.policy.By, l.policy.Reason
	l.res.Up, l.res.Down = l.Counts()
	l.res.DownFinished, l.res.UpFinished = l.halves[0].finished, l.halves[1].finished
	res := l.res
	l.mu.Unlock()
	if l.done != nil {
		l.done(res)
	}
}

// tick enforces the limits that are due and sets the timer again.
func (l *link) tick() {
	l.mu.Lock()
	now := l.age()
	slam := l.ended && !l.closed && now >= l.slamAt
	if !l.ended {
		l.enforce(now)
		l.rearm()
	}
	l.mu.Unlock()
	if slam {
		for i := range l.ends {
			l.ends[i].slam()
		}
	}
}

// enforce ends the link if a limit is reached. l.mu is held.
func (l *link) enforce(now time.Duration) {
	for i := range l.halves {
		if h := &l.halves[i]; h.writing.Load() && h.src.wasReset() {
			l.broke(h.src, errReset)
		}
	}
	if at, r := l.limit(); now >= at {
		l.stop(l.policy.Culprit(r, l.stuck()), r)
	}
}

// limit returns the limit that is due first, and when. l.mu is held.
func (l *link) limit() (at time.Duration, r Reason) {
	l.policy.Moved = time.Duration(l.moved.Load())
	return l.policy.Limit()
}

// stuck returns the end that does not take what a half writes; Self: both do.
func (l *link) stuck() Side {
	for i := range l.halves {
		if l.halves[i].writing.Load() {
			return l.halves[i].dst.name
		}
	}
	return Self
}

// rearm sets the timer to what is due next. l.mu is held, and a half has not left.
func (l *link) rearm() {
	now := l.age()
	at := now + l.probe
	if l.ended {
		at = l.slamAt
	} else if next, _ := l.limit(); next < at {
		at = next
	}
	l.timer.Reset(max(at-now, 0))
}
