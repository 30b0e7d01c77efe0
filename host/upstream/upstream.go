// Package upstream holds the upstreams, the servers that connections are sent to: how
// many connections an [Upstream] has, whether it takes more, and the attempts to reach
// one ([Dial], [Course]).
//
//	u := upstream.New("10.0.0.1:443", upstream.Options{MaxFails: 3, FailFor: 10 * time.Second})
//	trial, ok := u.Acquire(0)
//	d := upstream.Dial{Network: "tcp", Addr: addr, Timeout: 10 * time.Second, Up: u, Trial: trial}
//	var course upstream.Course
//	conn, _, err := course.Reach(ctx, log, func(context.Context, error) (upstream.Dial, error) { return d, nil })
//
// A course makes one attempt after the other until one stands. A goroutine calls
// [Course.Reach]; the session machine calls Begin, Stood and Failed between inputs.
// Both ways count the same.
package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// Upstream is one server that connections are sent to. Every graph that names an
// upstream shares it; the upstream lives as long as a graph or a connection holds it.
// Make one with [New]; any goroutine may call its methods.
//
// Passive health comes from attempts to connect: after Options.MaxFails failures in a
// row the upstream is out for FailFor, and then takes one connection at a time, the
// trial, until one succeeds. Active health is the verdict of checks, told by
// [Upstream.SetHealthy]. An upstream takes connections when both kinds allow it. One with
// checks that have no result yet takes connections too, and says so: whoever chooses among
// upstreams takes others first, or waits for the result ([Upstream.Unchecked]).
type Upstream struct {
	Name string // as configured, "10.0.0.1:443"

	options Options
	born    time.Time // moments below are durations since then

	conns atomic.Int64  // open connections and attempts under way
	fails atomic.Int64  // failed attempts in a row
	until atomic.Int64  // end of the time out, on trial after it; notOut: neither
	trial atomic.Bool   // the trial is under way
	sick  atomic.Bool   // the latest check failed
	blank atomic.Bool   // no check has a result yet
	since atomic.Int64  // when until, sick or blank changed last
	leads atomic.Uint64 // the number of the answer by which the upstream's name leads; 0: none yet

	connects, failures, up, down atomic.Uint64

	mu      sync.Mutex
	live    map[Conn]struct{} // connections to end when a check fails
	checked chan struct{}     // closed with the first result; nil: nobody waits for one
}

// Options say when an upstream is out. The zero value: never.
type Options struct {
	MaxFails         int           // failed attempts in a row that put the upstream out; 0: passive health is off
	FailFor          time.Duration // how long the upstream is out then; 0: passive health is off
	Checked          bool          // there are checks: until one has a result, the upstream is Unchecked
	CloseIfUnhealthy bool          // connections end when a check finds the upstream unhealthy
}

// Conn is a connection to an upstream, as the upstream sees it.
type Conn interface {
	// Unhealthy ends the connection because a check of its upstream failed. It must not
	// wait. Any goroutine may call Unhealthy.
	Unhealthy()
}

// Health is what an upstream is fit for.
type Health uint8

// The states of an upstream.
const (
	Up        Health = iota // takes connections
	Out                     // takes none: attempts failed
	OnTrial                 // was out, takes one connection at a time
	Unchecked               // takes connections where nothing else does: no check has a result yet
	Unfit                   // takes none: its checks fail
)

// String returns "up", "out", "trial", "unchecked" or "unhealthy".
func (h Health) String() string {
	return [Unfit + 1]string{"up", "out", "trial", "unchecked", "unhealthy"}[h]
}

// notOut is what Upstream.until holds while the upstream is neither out nor on trial.
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

// New returns an upstream without connections that is up, or unchecked if o has checks.
func New(name string, o Options) *Upstream {
	if o.MaxFails == 0 || o.FailFor == 0 {
		o.MaxFails, o.FailFor = 0, 0
	}
	u := &Upstream{Name: name, options: o, born: time.Now()}
	u.blank.Store(o.Checked)
	return u
}

// Conns returns how many connections are open, attempts under way included.
func (u *Upstream) Conns() int64 { return u.conns.Load() }

// Held reports whether a connection or an attempt holds the upstream. It implements
// host.Held.
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
	case u.blank.Load():
		s.Health = Unchecked
	}
	s.Since = u.born.Add(time.Duration(max(since-1, 0)))
	return s
}

// Ready reports whether Acquire with the same limit would succeed now, and whether the
// upstream is full: only the limit forbids it.
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

// Acquire counts in a connection that is about to be attempted, and reports whether it
// did: not if the upstream takes none, or has limit connections already (0: no limit).
// trial reports whether the attempt is the one trial of an upstream that was out; it
// goes into Dial.Trial. The [Course] that makes the attempt counts it out, or
// [Dial.Dropped] does.
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

// enter counts a connection in and reports whether it did: not beyond limit.
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

// SetHealthy is told the verdict of active checks, and reports whether that is news: the
// verdict has changed, or the first one is that the upstream is not healthy.
func (u *Upstream) SetHealthy(healthy bool) (news bool) {
	first := u.blank.Load()
	news = u.sick.Swap(!healthy) == healthy
	if news || first {
		u.since.Store(u.now())
	}
	if first {
		u.first()
	}
	if news && !healthy && u.options.CloseIfUnhealthy {
		u.closeAll()
	}
	return news
}

// first tells those who wait that checks have a result.
func (u *Upstream) first() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.blank.Store(false)
	if u.checked != nil {
		close(u.checked)
		u.checked = nil
	}
}

// Unchecked returns nil if a check has had a result, or there are no checks; otherwise a
// channel that is closed with the first result.
func (u *Upstream) Unchecked() <-chan struct{} {
	if !u.blank.Load() {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.blank.Load() {
		return nil
	}
	if u.checked == nil {
		u.checked = make(chan struct{})
	}
	return u.checked
}

// Blank reports whether no check has had a result yet, though there are checks.
func (u *Upstream) Blank() bool { return u.blank.Load() }

// Uncheck forgets the verdict: the checks have ended, and when they begin again their
// first result decides.
func (u *Upstream) Uncheck() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sick.Store(false)
	u.blank.Store(u.options.Checked)
	u.since.Store(u.now())
}

// Leads tells by which answer, a number from 1, the upstream's name leads. With an answer
// other than before, what failed proves nothing any more: an upstream that is out is not.
func (u *Upstream) Leads(answer uint64) {
	if u.leads.Load() == answer || u.leads.Swap(answer) == answer {
		return
	}
	u.fails.Store(0)
	if u.until.Swap(notOut) != notOut {
		u.since.Store(u.now())
	}
}

// closeAll ends every connection that Keep noted.
func (u *Upstream) closeAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.live {
		c.Unhealthy()
	}
}

// stood counts an attempt that succeeded, and reports whether the upstream is back: it
// was out or on trial before.
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

// failed counts out an attempt that failed, and reports whether the upstream is out
// because of that.
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

// leave counts out an attempt.
func (u *Upstream) leave(trial bool) {
	u.conns.Add(-1)
	u.endTrial(trial)
}

// endTrial allows the next trial, if the attempt was one.
func (u *Upstream) endTrial(trial bool) {
	if trial {
		u.trial.Store(false)
	}
}

// Keep notes a connection that stands, so that a failed check can end it, under
// Options.CloseIfUnhealthy. Forget ends that.
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
	if u.sick.Load() { // a check failed since Acquire: closeAll may have run already
		c.Unhealthy()
	}
}

// Forget counts out a connection that stood and has ended. up and down are the bytes
// relayed to the upstream, and from it.
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

// now returns the nanoseconds since the upstream was made, plus 1, so that no moment is
// notOut.
func (u *Upstream) now() int64 { return int64(time.Since(u.born)) + 1 }
