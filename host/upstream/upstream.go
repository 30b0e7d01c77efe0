// Package upstream is what is known of the places connections are sent to: how many
// connections an [Upstream] has, whether it is fit for more, and the attempts to
// reach one ([Dial], [Course]).
//
//	u := upstream.New("10.0.0.1:443", upstream.Options{MaxFails: 3, FailFor: 10 * time.Second})
//	trial, ok := u.Acquire(0)
//	d := upstream.Dial{Network: "tcp", Addr: addr, Timeout: 10 * time.Second, Up: u, Trial: trial}
//	var course upstream.Course
//	conn, _, err := course.Reach(ctx, log, func(context.Context, error) (upstream.Dial, error) { return d, nil })
//
// A course makes one attempt after the other until one stands. Whoever may block
// calls [Course.Reach]; an event loop calls Begin, Stood and Failed between its own
// steps. Both count the same.
package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// Upstream is one place connections are sent to: how many it has, whether it is
// fit for more, and what became of those it had. It is shared by every graph that
// names it and lives as long as one of them, or a connection, holds it. Make one
// with [New]; all methods may be called from any goroutine.
//
// Passive health comes from attempts to connect: after Options.MaxFails
// failures in a row it is out for FailFor, and then takes one connection at a time,
// the trial, until one succeeds. Active health is the verdict of checks, told by
// [Upstream.SetHealthy]. An upstream takes connections when neither objects.
type Upstream struct {
	Name string // as configured, "10.0.0.1:443"

	options Options
	born    time.Time // moments below are durations since then

	conns atomic.Int64
	fails atomic.Int64 // in a row
	until atomic.Int64 // not 0: out until then, afterwards on trial
	trial atomic.Bool  // the trial connection is under way
	sick  atomic.Bool  // the checks say so
	since atomic.Int64 // when one of the last three began to hold or ceased to

	connects, failures, up, down atomic.Uint64

	mu   sync.Mutex
	live map[Conn]struct{} // connections to end when it gets sick
}

// Options say when an upstream is out. The zero value: never.
type Options struct {
	MaxFails         int           // failed attempts in a row; 0: passive health is off
	FailFor          time.Duration // how long it is out then; 0: passive health is off
	CloseIfUnhealthy bool          // when checks find it unhealthy, its connections end
}

// Conn is a connection that an upstream has.
type Conn interface {
	// Unhealthy tells the connection that the checks of its upstream fail and that
	// connections are to end then. It must not wait, and may be called from any
	// goroutine.
	Unhealthy()
}

// Health is what an upstream is fit for.
type Health uint8

// The states of an upstream.
const (
	Up      Health = iota // takes connections
	Out                   // takes none: attempts failed
	OnTrial               // was out, takes one connection at a time
	Unfit                 // takes none: its checks fail
)

// String returns "up", "out", "trial" or "unhealthy".
func (h Health) String() string {
	return [Unfit + 1]string{"up", "out", "trial", "unhealthy"}[h]
}

// notOut is what Upstream.until holds outside a quarantine.
const notOut = 0

// State is what an upstream was like at one moment.
type State struct {
	Name   string // upstreams that differ in their options may share it
	Health Health
	Since  time.Time // when Health began
	Conns  int64     // open connections and attempts under way
	Fails  int64     // failed attempts in a row

	// Totals since the upstream was first configured. The bytes are those of
	// connections that have ended: to the upstream, and from it.
	Connects, Failures uint64
	BytesUp, BytesDown uint64
}

// New returns an upstream without connections that is up.
func New(name string, o Options) *Upstream {
	if o.MaxFails == 0 || o.FailFor == 0 {
		o.MaxFails, o.FailFor = 0, 0
	}
	return &Upstream{Name: name, options: o, born: time.Now()}
}

// Conns returns how many connections are open, attempts under way included.
func (u *Upstream) Conns() int64 { return u.conns.Load() }

// Held says whether a connection still holds the upstream.
func (u *Upstream) Held() bool { return u.Conns() > 0 }

// State returns what the upstream is like now.
func (u *Upstream) State() State {
	s := State{
		Name: u.Name, Conns: u.Conns(), Fails: u.fails.Load(),
		Connects: u.connects.Load(), Failures: u.failures.Load(),
		BytesUp: u.up.Load(), BytesDown: u.down.Load(),
	}
	since, until := u.since.Load(), u.until.Load()
	switch {
	case u.sick.Load():
		s.Health = Unfit
	case until != notOut && u.now() < until:
		s.Health = Out
	case until != notOut:
		s.Health, since = OnTrial, max(since, until)
	}
	s.Since = u.born.Add(time.Duration(max(since-1, 0)))
	return s
}

// Ready looks whether Acquire with the same limit would succeed now. full says
// that the limit is all that is in the way.
func (u *Upstream) Ready(limit int64) (ok, full bool) {
	if u.sick.Load() {
		return false, false
	}
	if until := u.until.Load(); until != notOut && (u.trial.Load() || u.now() < until) {
		return false, false
	}
	full = limit > 0 && u.conns.Load() >= limit
	return !full, full
}

// Acquire counts a connection in that is about to be attempted, unless the
// upstream takes none or has limit connections already; 0 is no limit. trial says
// that the attempt is the one trial of an upstream that was out; it belongs into
// Dial.Trial. What becomes of the attempt is told by the [Course] that makes it, or
// by [Dial.Dropped].
func (u *Upstream) Acquire(limit int64) (trial, ok bool) {
	if u.sick.Load() {
		return false, false
	}
	if until := u.until.Load(); until != notOut {
		if u.now() < until || !u.trial.CompareAndSwap(false, true) {
			return false, false
		}
		trial = true
	}
	if !u.enter(limit) {
		u.endTrial(trial)
		return false, false
	}
	return trial, true
}

// enter counts a connection in, within limit.
func (u *Upstream) enter(limit int64) bool {
	if limit <= 0 {
		u.conns.Add(1)
		return true
	}
	for {
		n := u.conns.Load()
		if n >= limit {
			return false
		}
		if u.conns.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// SetHealthy is told the verdict of active checks and says whether it is a new
// one. Before the first, an upstream is taken for healthy.
func (u *Upstream) SetHealthy(healthy bool) (changed bool) {
	if !u.sick.CompareAndSwap(healthy, !healthy) {
		return false
	}
	u.since.Store(u.now())
	if !healthy && u.options.CloseIfUnhealthy {
		u.closeAll()
	}
	return true
}

// closeAll ends every connection.
func (u *Upstream) closeAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.live {
		c.Unhealthy()
	}
}

// stood counts a successful attempt and says whether it ended a quarantine.
func (u *Upstream) stood(trial bool) (back bool) {
	u.connects.Add(1)
	if u.fails.Load() != 0 {
		u.fails.Store(0)
	}
	if u.until.Load() != notOut && u.until.Swap(notOut) != notOut {
		u.since.Store(u.now())
		back = true
	}
	u.endTrial(trial)
	return back
}

// failed counts a failed attempt out and says whether it began a quarantine.
func (u *Upstream) failed(trial bool) (out bool) {
	u.failures.Add(1)
	fails := u.fails.Add(1)
	if limit := int64(u.options.MaxFails); limit > 0 && fails >= limit {
		now := u.now()
		if out = u.until.CompareAndSwap(notOut, now+int64(u.options.FailFor)); out {
			u.since.Store(now)
		}
	}
	u.leave(trial)
	return out
}

// leave counts a connection or an attempt out.
func (u *Upstream) leave(trial bool) {
	u.conns.Add(-1)
	u.endTrial(trial)
}

func (u *Upstream) endTrial(trial bool) {
	if trial {
		u.trial.Store(false)
	}
}

// Keep notes a connection that stands and was counted in, so that it can be ended
// when the upstream gets sick. Forget ends that.
func (u *Upstream) Keep(c Conn) {
	if !u.options.CloseIfUnhealthy {
		return
	}
	u.mu.Lock()
	if u.live == nil {
		u.live = map[Conn]struct{}{}
	}
	u.live[c] = struct{}{}
	u.mu.Unlock()
	if u.sick.Load() { // since it was chosen: closeAll may have run before
		c.Unhealthy()
	}
}

// Forget counts a connection out that stood and has ended. It relayed so many bytes
// to the upstream, and from it.
func (u *Upstream) Forget(c Conn, up, down int64) {
	if u.options.CloseIfUnhealthy {
		u.mu.Lock()
		delete(u.live, c)
		u.mu.Unlock()
	}
	u.up.Add(uint64(up))
	u.down.Add(uint64(down))
	u.conns.Add(-1)
}

// now is the time since the upstream was made, in nanoseconds from 1: 0 is notOut.
func (u *Upstream) now() int64 { return int64(time.Since(u.born)) + 1 }
