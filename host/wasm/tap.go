package wasm

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"dwaar.dev/dwaar/host/wasm/record"
	"dwaar.dev/dwaar/sdk"
)

// queued is how many evaluations may wait in a tap: at most 1 MiB of first bytes where
// listeners have the default of max_head.
const queued = 64

// tap takes copies of a plugin's evaluations to where nobody waits for them: to the
// file of records, to a shadow. What comes faster than it is used is dropped.
type tap struct {
	wide bool         // copies facts that reads names in full, beside those that were asked for
	free chan *sample // that nobody uses
	full chan *sample // that wait

	users atomic.Int32 // goroutines that empty it; 0: nothing is copied
	begun func()       // may be called often: the first call closes beginning

	beginning chan struct{}
}

// Begun is [host.Beginner]'s: closed once evaluations are copied, or the file they were to
// be written to cannot be opened.
func (t *tap) Begun() <-chan struct{} { return t.beginning }

// sample is a copy of an evaluation.
type sample struct {
	matcher  *Matcher
	flow     sdk.Flow // its Head, Bounds and facts are the sample's own
	head     []byte
	bounds   []int
	recalled recalled // what it asked for
	budget   int64
	outcome  record.Outcome
}

// tapped is a tap of a plugin, and where is counted what it had no room for.
type tapped struct {
	*tap
	lost *atomic.Uint64
}

// listened reports whether somebody wants copies of the plugin's evaluations.
func (p *Plugin) listened() bool {
	for i := range p.taps {
		if p.taps[i].users.Load() > 0 {
			return true
		}
	}
	return false
}

// copies gives the evaluation that an instance has just made to whoever wants it.
func (p *Plugin) copies(in *instance, f *sdk.Flow, e *evaluated) {
	for _, t := range p.taps {
		if t.users.Load() > 0 && !t.take(in, f, e) {
			t.lost.Add(1)
		}
	}
}

func newTap(wide bool) *tap {
	t := &tap{wide: wide, free: make(chan *sample, queued), full: make(chan *sample, queued), beginning: make(chan struct{})}
	t.begun = sync.OnceFunc(func() { close(t.beginning) })
	for range queued {
		t.free <- new(sample)
	}
	return t
}

// take copies the evaluation that an instance has just made. It says no if nobody can
// have it.
func (t *tap) take(in *instance, f *sdk.Flow, e *evaluated) bool {
	select {
	case s := <-t.free:
		s.fill(in, f, e)
		if t.wide {
			s.recalled.widen(f, e.matcher.plugin.Reads)
		}
		t.full <- s // has room for all there are
		return true
	default:
		return false
	}
}

// evaluated is an evaluation in numbers.
type evaluated struct {
	matcher *Matcher
	budget  int64
	answer  int32
	used    int64
	err     error
}

func (s *sample) fill(in *instance, f *sdk.Flow, e *evaluated) {
	s.matcher, s.budget = e.matcher, e.budget
	s.head = append(s.head[:0], f.Head[:min(len(f.Head), in.module.maxHead())]...)
	s.bounds = append(s.bounds[:0], f.Bounds...)
	s.flow = sdk.Flow{
		Head: s.head, Network: f.Network, Local: f.Local, Remote: f.Remote, Accepted: f.Accepted,
		Listener: f.Listener, MaxHead: f.MaxHead, ServerName: f.ServerName, ALPN: f.ALPN,
		TLSVersion: f.TLSVersion, CipherSuite: f.CipherSuite, Proxied: f.Proxied,
	}
	if f.Bounds != nil {
		s.flow.Bounds = s.bounds
	}
	s.recalled.fill(in)
	in.outcome(&s.outcome, e.answer, e.used, e.err)
}

// run gives what comes to use, until ctx is done and nothing waits.
func (t *tap) run(ctx context.Context, use func(*sample)) {
	t.users.Add(1)
	defer t.users.Add(-1)
	t.begun()
	for {
		select {
		case s := <-t.full:
			t.done(s, use)
		case <-ctx.Done():
			t.rest(use)
			return
		}
	}
}

// rest uses what waits now.
func (t *tap) rest(use func(*sample)) {
	for range queued {
		select {
		case s := <-t.full:
			t.done(s, use)
		default:
			return
		}
	}
}

// done uses a sample and frees it, so that it holds no module that nobody else holds.
func (t *tap) done(s *sample, use func(*sample)) {
	use(s)
	s.matcher, s.flow = nil, sdk.Flow{}
	t.free <- s
}

// recalled is what a matcher asked for in an evaluation, as the facts of another one.
type recalled struct {
	list   []record.Fact // a nil value is absent
	over   bool          // there were more than can be kept
	missed bool          // somebody asked for what is not here
}

// fill copies what the instance asked for.
func (r *recalled) fill(in *instance) {
	r.list, r.over, r.missed = r.list[:0], in.asked.over, false
	for i := range in.asked.list {
		a := &in.asked.list[i]
		r.list = record.AppendFact(r.list, a.Name, a.Value)
	}
}

// widen copies what the configuration names in full.
func (r *recalled) widen(f *sdk.Flow, reads []string) {
	for _, name := range reads {
		if name[len(name)-1] == '*' || r.has(name) {
			continue
		}
		r.put(name, f)
	}
}

func (r *recalled) has(name string) bool {
	return slices.ContainsFunc(r.list, func(f record.Fact) bool { return f.Name == name })
}

// put keeps what f knows under a name.
func (r *recalled) put(name string, f *sdk.Flow) {
	v, ok := f.Get(name)
	r.note(name, v, ok)
}

// note keeps what was answered to a question.
func (r *recalled) note(name, value string, ok bool) {
	switch {
	case len(r.list) == record.MaxReads:
		r.over = true
	case ok:
		r.list = record.AppendFact(r.list, name, []byte(value))
	default:
		r.list = record.AppendFact(r.list, name, nil)
	}
}

// Get answers what is known.
func (r *recalled) Get(name string) (string, bool) {
	for i := range r.list {
		if f := &r.list[i]; f.Name == name {
			return string(f.Value), f.Value != nil
		}
	}
	r.missed = true
	return "", false
}

// Set is not called: what an evaluation finds is in its outcome.
func (r *recalled) Set(string, []byte) {}
