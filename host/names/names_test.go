package names

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// crowdOf is the crowd of a client of the test.
func crowdOf(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 32)
}

// slow answers after a while, and counts.
type slow struct {
	takes         time.Duration
	err           error
	now, most, in atomic.Int64
}

func (s *slow) lookup(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	s.in.Add(1)
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	select {
	case <-time.After(s.takes):
		return []netip.Addr{netip.MustParseAddr("::ffff:198.51.100.1")}, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestEachNameIsLookedUpOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: time.Second}
		p := New(s.lookup, Limits{AtOnce: 4, Waiting: 10})
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				addrs, err := p.Resolve(t.Context(), crowdOf(i), fmt.Sprint(i%2))
				if err != nil || len(addrs) != 1 || addrs[0] != netip.MustParseAddr("198.51.100.1") {
					t.Error(addrs, err)
				}
			})
		}
		all.Wait()
		if n := s.in.Load(); n != 2 {
			t.Errorf("%d lookups of two names", n)
		}
		if got := p.Stats(); got.Answered != 40 || got.Running+got.Waiting != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnswersAreRememberedForAFewSeconds(t *testing.T) {
	t.Parallel()
	for err, long := range map[error]time.Duration{
		nil: KeepAnswer,
		&net.DNSError{Err: "no such host", IsNotFound: true}: KeepAnswer,
		&net.DNSError{Err: "server misbehaving"}:             KeepFailure,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{err: err}
			p := New(s.lookup, Limits{AtOnce: 4, Waiting: 10})
			ask := func(want int64, when string) {
				_, got := p.Resolve(t.Context(), crowdOf(1), "x")
				if !errors.Is(got, err) || s.in.Load() != want {
					t.Errorf("%v, %s: %v after %d lookups, want %d", err, when, got, s.in.Load(), want)
				}
			}
			ask(1, "first")
			time.Sleep(long - 1)
			ask(1, "just before the end")
			time.Sleep(time.Nanosecond)
			ask(2, "at the end")
			if _, got := p.Fresh(t.Context(), crowdOf(1), "x"); !errors.Is(got, err) || s.in.Load() != 3 {
				t.Errorf("a fresh answer took %d lookups", s.in.Load())
			}
		})
	}
}

// TestACrowdWithManyHangingNamesHoldsUpNobody asks for names that are never answered,
// with one address and as fast as it can, and for one with another address.
func TestACrowdWithManyHangingNamesHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		quick := &slow{}
		var most atomic.Int64
		var now atomic.Int64
		p := New(func(ctx context.Context, network, name string) ([]netip.Addr, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			if name == "good" {
				return quick.lookup(ctx, network, name)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}, Limits{AtOnce: 8, PerCrowd: 4, Waiting: 64, MaxWait: 3 * time.Second})
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var busy atomic.Int64
		for i := range 500 {
			all.Go(func() {
				if _, err := p.Resolve(ctx, crowdOf(1), fmt.Sprint("bad", i)); errors.Is(err, ErrBusy) {
					busy.Add(1)
				}
			})
		}
		synctest.Wait()
		if s := p.Stats(); s.Running != 4 || s.Waiting != 64 || busy.Load() != 500-4-64 {
			t.Errorf("%+v, %d refused", s, busy.Load())
		}
		for i := range 20 { // others, each at once
			began := time.Now()
			if _, err := p.Fresh(t.Context(), crowdOf(2+i), "good"); err != nil || time.Since(began) != 0 {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Waiting != 0 || busy.Load() != 500-4 {
			t.Errorf("after the longest wait: %+v, %d refused", s, busy.Load())
		}
		stop()
		all.Wait()
		synctest.Wait()
		if s := p.Stats(); s.Running != 0 || most.Load() > 8 || len(p.crowds) != 0 || len(p.flights) != 0 {
			t.Errorf("%+v, %d at once, %d crowds, %d flights", s, most.Load(), len(p.crowds), len(p.flights))
		}
	})
}

func TestWhoWantsTheNameOfABusyCrowdDoesNotWaitForThatCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: time.Second}
		p := New(s.lookup, Limits{AtOnce: 2, PerCrowd: 1, Waiting: 8})
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() { _, _ = p.Resolve(t.Context(), crowdOf(1), fmt.Sprint(i)) })
			synctest.Wait()
		}
		began := time.Now()
		if _, err := p.Resolve(t.Context(), crowdOf(2), "4"); err != nil || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		all.Wait()
	})
}

func TestALookupHasALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: time.Hour}
		began := time.Now()
		if _, err := New(s.lookup, Limits{AtOnce: 1, Waiting: 1}).Resolve(t.Context(), crowdOf(1), "x"); err == nil || time.Since(began) != Timeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	p := New(func(context.Context, string, string) ([]netip.Addr, error) {
		return make([]netip.Addr, 4000), nil
	}, Limits{AtOnce: 4, Waiting: 10})
	for i := range 3 * maxKept {
		addrs, err := p.Resolve(t.Context(), crowdOf(1), fmt.Sprint(i))
		if err != nil || len(addrs) != MaxAddrs || cap(addrs) != MaxAddrs {
			t.Fatal(len(addrs), cap(addrs), err)
		}
	}
	if n := len(p.kept); n > maxKept {
		t.Errorf("%d answers are kept", n)
	}
	for name := range p.kept {
		if p.kept[name].until.IsZero() {
			t.Error("an answer without an end")
		}
	}
}

// TestWhateverComesInWhateverOrderIsCountedOut has random crowds ask for random names, and
// give up at random.
func TestWhateverComesInWhateverOrderIsCountedOut(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			s := &slow{takes: time.Second}
			p := New(s.lookup, Limits{AtOnce: 3, PerCrowd: 2, Waiting: 6, MaxWait: 2 * time.Second})
			var all sync.WaitGroup
			for range 300 {
				crowd, name := crowdOf(dice.IntN(4)), fmt.Sprint(dice.IntN(12))
				patience := time.Duration(dice.IntN(4000)) * time.Millisecond
				fresh := dice.IntN(2) == 0
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					if fresh {
						_, _ = p.Fresh(ctx, crowd, name)
					} else {
						_, _ = p.Resolve(ctx, crowd, name)
					}
				})
				time.Sleep(time.Duration(dice.IntN(200)) * time.Millisecond)
				for of, l := range p.snapshot() {
					if l.running > 2 || l.running < 0 || l.waiting < 0 || l.all() == 0 {
						t.Fatalf("seed %d: %v has %+v", seed, of, l)
					}
				}
			}
			all.Wait()
			synctest.Wait()
			st := p.Stats()
			if s.most.Load() > 3 || st.Running+st.Waiting != 0 || len(p.crowds)+len(p.flights) != 0 || st.Answered+st.Failed+st.Kept+st.Rejected != 300 {
				t.Errorf("seed %d: %+v, %d at once, %v %v", seed, st, s.most.Load(), p.crowds, p.flights)
			}
		})
	}
}

func (p *Pool) snapshot() map[netip.Prefix]load {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[netip.Prefix]load{}
	for of, l := range p.crowds {
		all[of] = *l
	}
	return all
}
