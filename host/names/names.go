// Package names resolves host names, so many at once and no more, and each name once,
// however many ask for it:
//
//	p := names.New((&names.System{}).Lookup, names.Limits{For: "clients", AtOnce: 16, Waiting: 512})
//	addrs, err := p.Resolve(ctx, crowd, "app.example.com")
//
// A lookup is under way on behalf of the crowd that asked for it: the address of a client,
// or its network. A crowd with many lookups waits for those with few, so that one whose
// names are never answered holds up nobody else. Answers, also that there is none, are
// remembered for a few seconds.
package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Lookup is net.Resolver.LookupNetIP, or a function with the same contract. network is
// "ip".
type Lookup func(ctx context.Context, network, name string) ([]netip.Addr, error)

// Limits bound a [Pool].
type Limits struct {
	For      string // whose names they are, for Stats
	AtOnce   int    // lookups under way
	PerCrowd int    // of these, for one crowd; 0: as many as AtOnce
	Waiting  int    // lookups that wait to begin, of all crowds

	MaxWait time.Duration // until a lookup begins; 0: as long as whoever asks for it waits
}

// How long a lookup takes at most, and for how long an answer is remembered. No
// resolver tells Go the TTL of an answer; these are shorter than those that people
// publish, and than what RFC 2308 (sections 5 and 7.1) allows for a negative answer and
// for a server that failed.
const (
	Timeout     = 10 * time.Second // from the beginning of a lookup
	KeepAnswer  = 5 * time.Second  // addresses, or that the name has none
	KeepFailure = time.Second      // no answer
)

// Bounds of memory: an answer over TCP may hold 4,000 addresses.
const (
	MaxAddrs = 256 // of an answer, the first
	maxKept  = 512 // answers
)

// ErrBusy is why a name was not resolved: too many others were, or waited.
var ErrBusy = errors.New("too many names are being resolved")

// Pool resolves names. Make one with [New]; any goroutine may call its methods.
type Pool struct {
	lookup Lookup
	limits Limits

	mu      sync.Mutex
	flights map[string]*flight // by name; queued or running
	queue   []*flight          // in the order they came
	crowds  map[netip.Prefix]*load
	running int
	kept    map[string]answer
	stats   Stats
}

// Stats is what a pool does now, and what it has done.
type Stats struct {
	For                              string // whose names they are
	Running, Waiting                 int    // lookups now
	Answered, Failed, Kept, Rejected uint64 // requests: answered, without an answer, answered from memory, too many
}

// answer is what is known of a name.
type answer struct {
	addrs []netip.Addr
	err   error
	until time.Time
}

// flight is one lookup, for everybody who asks for the name. Its fields belong to the
// pool's mutex; addrs and err may be read when done is closed.
type flight struct {
	name    string
	crowd   netip.Prefix
	waiters int
	begun   chan struct{} // closed when the lookup begins, or will not
	done    chan struct{}
	cancel  context.CancelFunc // nil: it has not begun
	addrs   []netip.Addr
	err     error
}

// New returns a pool that asks lookup.
func New(lookup Lookup, l Limits) *Pool {
	if l.PerCrowd == 0 {
		l.PerCrowd = l.AtOnce
	}
	return &Pool{
		lookup: lookup, limits: l,
		flights: map[string]*flight{}, crowds: map[netip.Prefix]*load{}, kept: map[string]answer{},
	}
}

// Stats returns what the pool does now, and what it has done.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.For, s.Running, s.Waiting = p.limits.For, p.running, len(p.queue)
	return s
}

// Resolve returns the addresses of a name, unmapped, at least one; nobody may change them.
// An answer may be as old as KeepAnswer. The lookup is on the account of crowd, the zero
// Prefix being one of them. The error is ErrBusy if there are too many, also after Limits.MaxWait.
func (p *Pool) Resolve(ctx context.Context, crowd netip.Prefix, name string) ([]netip.Addr, error) {
	p.mu.Lock()
	if a, ok := p.kept[name]; ok && time.Now().Before(a.until) {
		p.stats.Kept++
		p.mu.Unlock()
		return a.addrs, a.err
	}
	return p.ask(ctx, crowd, name)
}

// Fresh is Resolve without memory: the lookup begins after the call.
func (p *Pool) Fresh(ctx context.Context, crowd netip.Prefix, name string) ([]netip.Addr, error) {
	p.mu.Lock()
	if f := p.flights[name]; f != nil && f.cancel != nil { // it began before
		p.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			p.stats.Failed++
			return nil, fmt.Errorf("resolving %s: %w", name, ctx.Err())
		}
		p.mu.Lock()
	}
	return p.ask(ctx, crowd, name)
}

// ask waits for a flight. p.mu is held and is given back.
func (p *Pool) ask(ctx context.Context, crowd netip.Prefix, name string) ([]netip.Addr, error) {
	f := p.join(crowd, name)
	p.mu.Unlock()
	if f == nil {
		return nil, fmt.Errorf("resolving %s: %w", name, ErrBusy)
	}
	err := p.wait(ctx, f)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(f)
	switch {
	case errors.Is(err, ErrBusy):
		p.stats.Rejected++
	case err != nil:
		p.stats.Failed++
	default:
		p.stats.Answered++
		return f.addrs, nil
	}
	return nil, fmt.Errorf("resolving %s: %w", name, err)
}

// wait returns when the flight is over, or its waiter gives up.
func (p *Pool) wait(ctx context.Context, f *flight) error {
	var late <-chan time.Time
	if p.limits.MaxWait > 0 {
		timer := time.NewTimer(p.limits.MaxWait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-f.begun:
	case <-late:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run makes the lookup of a flight. The lookup ends with its last waiter.
func (p *Pool) run(ctx context.Context, f *flight) {
	defer f.cancel()
	addrs, err := p.look(ctx, f.name)
	p.mu.Lock()
	defer p.mu.Unlock()
	f.addrs, f.err = addrs, err
	if f.waiters > 0 {
		p.keep(f)
	}
	p.end(f)
	close(f.done)
}

// look asks for the addresses of a name.
func (p *Pool) look(ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, err := p.lookup(ctx, "ip", name)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "the answer holds no address", Name: name, IsNotFound: true}
	}
	all := make([]netip.Addr, min(len(addrs), MaxAddrs))
	for i := range all {
		all[i] = addrs[i].Unmap()
	}
	return all, nil
}

// keep remembers an answer. p.mu is held.
func (p *Pool) keep(f *flight) {
	now, long := time.Now(), KeepAnswer
	var dns *net.DNSError
	if f.err != nil && (!errors.As(f.err, &dns) || !dns.IsNotFound) {
		long = KeepFailure
	}
	if len(p.kept) >= maxKept {
		p.forget(now)
	}
	err := f.err
	if err != nil {
		err = fmt.Errorf("resolving %s: %w", f.name, err)
	}
	p.kept[f.name] = answer{f.addrs, err, now.Add(long)}
}

// forget makes room for one more answer: those that are too old go, or if there are none,
// any. p.mu is held.
func (p *Pool) forget(now time.Time) {
	for name, a := range p.kept {
		if !now.Before(a.until) {
			delete(p.kept, name)
		}
	}
	for name := range p.kept {
		if len(p.kept) < maxKept {
			return
		}
		delete(p.kept, name)
	}
}
