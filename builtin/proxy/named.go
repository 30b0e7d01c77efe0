package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
)

// preference is which addresses of a name are used.
type preference uint8

const (
	anyFamily preference = iota // as the resolver orders them
	v4Only
	v6Only
	v4First
	v6First
)

// preferenceNames are the words of resolver_preference, those of the constants
// behind anyFamily.
func preferenceNames() []string {
	return []string{"ipv4_only", "ipv6_only", "ipv4_first", "ipv6_first"}
}

func (p preference) takes(a netip.Addr) bool {
	return p != v4Only && p != v6Only || (p == v4Only) == a.Is4()
}

// How often a name is asked for again. The system's resolver tells no TTL: 30 s is
// what a change of address may take while connections succeed, within a tenth, so that
// proxies that were started together do not ask together. A name without an answer is
// asked for more often, and one whose addresses fail at once and then more often still.
const (
	resolveEvery = 30 * time.Second
	resolveAgain = 5 * time.Second
	resolveDoubt = 2 * time.Second

	doubtLasts = time.Minute            // from the last failure
	askApart   = 100 * time.Millisecond // between two questions that connections ask
	askWithin  = time.Second            // how long a connection waits for a new answer
)

// resolver keeps the last good answer for one name. It is shared by all upstreams
// with that name, and an Actor that asks again in time.
type resolver struct {
	name string
	pool *names.Pool
	turn turn
	wake chan struct{} // has Run look at doubt again

	answer  atomic.Pointer[[]netip.Addr]
	answers atomic.Uint64 // how many different ones there were
	doubt   atomic.Int64  // when an address failed, in Unix nanoseconds

	mu     sync.Mutex
	asked  uint64    // questions so far
	stored uint64    // the question that answer belongs to
	last   time.Time // when the last question was answered
}

func newResolver(name string, pool *names.Pool) *resolver {
	return &resolver{name: name, pool: pool, turn: newTurn(), wake: make(chan struct{}, 1)}
}

// number returns which answer is in use, from 1; 0: none. One with the same addresses is
// the same answer.
func (r *resolver) number() uint64 { return r.answers.Load() }

// Run resolves the name now and from time to time.
func (r *resolver) Run(ctx context.Context) error {
	if !r.turn.take(ctx) {
		return nil
	}
	defer r.turn.giveBack()
	failing := false
	for {
		err := r.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if failing != (err != nil) {
			failing = err != nil
			r.report(ctx, err)
		}
		if r.rest(ctx) != nil {
			return nil
		}
	}
}

// rest returns when it is time to ask again.
func (r *resolver) rest(ctx context.Context) error {
	began, pause := time.Now(), resolveEvery
	if r.answer.Load() == nil {
		pause = resolveAgain
	}
	pause = jitter(pause)
	for {
		if time.Since(time.Unix(0, r.doubt.Load())) < doubtLasts {
			pause = min(pause, resolveDoubt)
		}
		timer := time.NewTimer(time.Until(began.Add(pause)))
		select {
		case <-timer.C:
			return nil
		case <-r.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// failed notes that an address has failed: the name may lead elsewhere by now.
func (r *resolver) failed() {
	now := time.Now().UnixNano()
	if before := r.doubt.Load(); now-before < int64(resolveDoubt)/2 || !r.doubt.CompareAndSwap(before, now) {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *resolver) report(ctx context.Context, err error) {
	log := host.Log(ctx).With(slog.String("name", r.name))
	switch {
	case err == nil:
		log.Info("upstream's name resolves again")
	case r.answer.Load() == nil:
		log.Warn("resolving an upstream's name", slog.Any("error", err))
	default:
		log.Warn("resolving an upstream's name: the last answer stays in use", slog.Any("error", err))
	}
}

// jitter is d within a tenth.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

// ask resolves the name by a question that begins after the call.
func (r *resolver) ask(ctx context.Context) error {
	r.mu.Lock()
	r.asked++
	question := r.asked
	r.mu.Unlock()
	addrs, err := r.pool.Fresh(ctx, netip.Prefix{}, r.name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = time.Now()
	if err != nil || question < r.stored {
		return err // or a later question was answered before
	}
	r.stored = question
	if old := r.answer.Load(); old == nil || !sameAddrs(*old, addrs) {
		r.answer.Store(&addrs)
		r.answers.Add(1)
	}
	return nil
}

// sameAddrs reports whether two answers hold the same addresses: servers turn their order.
func sameAddrs(a, b []netip.Addr) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x netip.Addr) bool { return !slices.Contains(b, x) }) &&
		!slices.ContainsFunc(b, func(x netip.Addr) bool { return !slices.Contains(a, x) })
}

// addrs returns the last good answer. Without one it waits for it if it may.
func (r *resolver) addrs(ctx context.Context, wait bool) (*[]netip.Addr, error) {
	if answer := r.answer.Load(); answer != nil {
		return answer, nil
	}
	if !wait {
		return nil, host.ErrBlocks
	}
	addrs, err := r.pool.Resolve(ctx, netip.Prefix{}, r.name)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer.Load() == nil { // else Run was told something newer
		r.answer.Store(&addrs)
		r.answers.Add(1)
	}
	return r.answer.Load(), nil
}

// again returns an answer that was asked for after the call, or the one that there is if
// that takes too long.
func (r *resolver) again(ctx context.Context) *[]netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	r.mu.Lock()
	rest := time.Until(r.last.Add(askApart))
	r.mu.Unlock()
	if upstream.Pause(ctx, rest) == nil {
		_ = r.ask(ctx) // Run tells of errors
	}
	return r.answer.Load()
}

// maxTries is how many addresses of a name a connection tries at most, one after the
// other: with a name for hundreds it would be busy for as many connect_timeouts.
const maxTries = 8

// errSpent says that all addresses of a name were tried, and that no other answer came.
var errSpent = errors.New("every address was tried")

// named is a host name and a port.
type named struct {
	resolver *resolver
	port     uint16
	prefer   preference
	next     atomic.Uint32 // connections take turns at the addresses
}

// find returns one address after the other. Before the last failure counts, the name is
// asked for again: the addresses of that answer that were not tried come next.
func (n *named) find(ctx context.Context, _ host.View, a *upstream.Attempts, wait bool) (place, error) {
	if a.Addrs == nil {
		answer, err := n.resolver.addrs(ctx, wait)
		if err != nil {
			return place{}, err
		}
		a.Addrs, a.Start = answer, n.next.Add(1)-1
		if _, count := n.prefer.at(*answer, 0, 0); count == 0 {
			return place{}, fmt.Errorf("resolving %s: no address of the family that resolver_preference or local_addr asks for", n.resolver.name)
		}
	} else {
		n.resolver.failed()
	}
	if p, ok := n.untried(a); ok {
		return p, nil
	}
	switch {
	case a.Spent != nil:
		return place{}, errSpent
	case !wait:
		return place{}, host.ErrBlocks
	}
	a.Spent, a.Addrs, a.Addr = a.Addrs, n.resolver.again(ctx), 0
	if p, ok := n.untried(a); ok {
		return p, nil
	}
	return place{}, errSpent
}

// untried returns the next address of the answer that was not tried.
func (n *named) untried(a *upstream.Attempts) (place, bool) {
	for {
		addr, count := n.prefer.at(*a.Addrs, a.Addr, a.Start)
		if count = min(count, maxTries); a.Addr >= count {
			return place{}, false
		}
		a.Addr++
		if a.Spent != nil && slices.Contains(*a.Spent, addr) {
			continue
		}
		a.Again = a.Spent == nil || a.Addr < count
		return place{
			network: "tcp", addr: netip.AddrPortFrom(addr, n.port), host: n.resolver.name, more: a.Again,
		}, true
	}
}

// at returns the k-th address in the order of preference, and how many there are.
// Of the family that comes first, connections begin with different ones: start
// says with which.
func (p preference) at(addrs []netip.Addr, k int, start uint32) (addr netip.Addr, count int) {
	if len(addrs) == 0 {
		return addr, 0
	}
	v4 := addrs[0].Is4()
	switch p {
	case v4Only, v4First:
		v4 = true
	case v6Only, v6First:
		v4 = false
	}
	front, back := 0, 0
	for _, a := range addrs {
		if a.Is4() == v4 {
			front++
		} else {
			back++
		}
	}
	if p == v4Only || p == v6Only {
		back = 0
	}
	if k %= max(front+back, 1); k < front {
		return nth(addrs, v4, (k+int(start%uint32(front)))%front), front + back
	}
	return nth(addrs, !v4, k-front), front + back
}

// nth returns the i-th address of a family, or none.
func nth(addrs []netip.Addr, v4 bool, i int) netip.Addr {
	for _, a := range addrs {
		if a.Is4() != v4 {
			continue
		}
		if i == 0 {
			return a
		}
		i--
	}
	return netip.Addr{}
}

// turn lets one of several graphs run what they share.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn, and reports whether it came before ctx was done.
func (t turn) take(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turn) giveBack() { <-t }
