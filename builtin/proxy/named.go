package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
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

// lookup is net.Resolver.LookupNetIP.
type lookup func(ctx context.Context, network, name string) ([]netip.Addr, error)

// How often a name is asked for again. The system's resolver tells no TTL: 30 s is
// what a change of address may take, within a tenth, so that proxies that were
// started together do not ask together. A name without an answer is asked for more
// often.
const (
	resolveEvery   = 30 * time.Second
	resolveAgain   = 5 * time.Second
	resolveTimeout = 10 * time.Second
)

// resolver keeps the last good answer for one name. It is shared by all upstreams
// with that name, and an Actor that asks again in time.
type resolver struct {
	name   string
	lookup lookup
	answer atomic.Pointer[[]netip.Addr]
	turn   turn

	mu     sync.Mutex
	flight *flight // the question under way
}

type flight struct {
	done chan struct{}
	err  error
}

func newResolver(name string, look lookup) *resolver {
	return &resolver{name: name, lookup: look, turn: newTurn()}
}

// Run resolves the name now and from time to time.
func (r *resolver) Run(ctx context.Context) error {
	if !r.turn.take(ctx) {
		return nil
	}
	defer r.turn.giveBack()
	failing := false
	for {
		asked, cancel := context.WithTimeout(ctx, resolveTimeout)
		err := r.ask(asked)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if failing != (err != nil) {
			failing = err != nil
			r.report(ctx, err)
		}
		pause := resolveEvery
		if r.answer.Load() == nil {
			pause = resolveAgain
		}
		if upstream.Pause(ctx, jitter(pause)) != nil {
			return nil
		}
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

// ask resolves the name, or waits for somebody who is just doing that.
func (r *resolver) ask(ctx context.Context) error {
	r.mu.Lock()
	f := r.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		r.flight = f
		r.mu.Unlock()
		f.err = r.fetch(ctx)
		r.mu.Lock()
		r.flight = nil
		r.mu.Unlock()
		close(f.done)
		return f.err
	}
	r.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("resolving %s: %w", r.name, ctx.Err())
	}
}

func (r *resolver) fetch(ctx context.Context) error {
	addrs, err := r.lookup(ctx, "ip", r.name)
	if err == nil && len(addrs) == 0 {
		err = errors.New("the answer holds no address")
	}
	if err != nil {
		return fmt.Errorf("resolving %s: %w", r.name, err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	r.answer.Store(&addrs)
	return nil
}

// addrs returns the last good answer. Without one it waits for it if it may.
func (r *resolver) addrs(ctx context.Context, wait bool) ([]netip.Addr, error) {
	for {
		if answer := r.answer.Load(); answer != nil {
			return *answer, nil
		}
		if !wait {
			return nil, host.ErrBlocks
		}
		if err := r.ask(ctx); err != nil && (ctx.Err() != nil || !errors.Is(err, context.Canceled)) {
			return nil, err // not: the one who asked for both of us was cancelled
		}
	}
}

// named is a host name and a port.
type named struct {
	resolver *resolver
	port     uint16
	prefer   preference
	next     atomic.Uint32 // connections take turns at the addresses
}

func (n *named) find(ctx context.Context, _ host.View, a *upstream.Attempts, wait bool) (place, error) {
	addrs, err := n.resolver.addrs(ctx, wait)
	if err != nil {
		return place{}, err
	}
	if a.Addr == 0 {
		a.Start = n.next.Add(1) - 1
	}
	addr, count := n.prefer.at(addrs, a.Addr, a.Start)
	if count == 0 {
		return place{}, fmt.Errorf("resolving %s: no address of the family that resolver_preference or local_addr asks for", n.resolver.name)
	}
	a.Addr++
	a.Again = a.Addr < count
	return place{
		network: "tcp", addr: netip.AddrPortFrom(addr, n.port), host: n.resolver.name, more: a.Again,
	}, nil
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
