package share_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/share"
)

// value is a shared value with everything that one can have.
type value struct {
	held    atomic.Bool
	closed  atomic.Int32
	running atomic.Int32 // calls of Run that have not returned
	runs    atomic.Int32 // calls of Run
	began   chan bool    // one for each call of Run; nil: nobody is told
	fails   func() error // what Run does instead of waiting
	closing func()       // what Close does beside counting
}

func (v *value) Held() bool { return v.held.Load() }

func (v *value) Close() error {
	if v.closing != nil {
		v.closing()
	}
	v.closed.Add(1)
	return errors.New("nobody hears it")
}

func (v *value) Run(ctx context.Context) error {
	v.running.Add(1)
	defer v.running.Add(-1)
	v.runs.Add(1)
	if v.began != nil {
		v.began <- true
	}
	if v.fails != nil {
		return v.fails()
	}
	<-ctx.Done()
	return nil
}

var (
	_ host.Held  = (*value)(nil)
	_ host.Actor = (*value)(nil)
)

// found is a make for what must be there.
func found() (any, error) { return nil, errors.New("it had to be made") }

// is returns a make.
func is(v any) func() (any, error) { return func() (any, error) { return v, nil } }

func must(t *testing.T, l *share.Lease, key string, make func() (any, error)) any {
	t.Helper()
	v, err := l.Share(key, make)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wait(t *testing.T, s *share.Store) {
	t.Helper()
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAValueStaysAsLongAsALeaseOrAConnectionHoldsIt(t *testing.T) {
	t.Parallel()
	var s share.Store
	v := new(value)
	a, b := s.Lease(), s.Lease()
	must(t, a, "k", is(v))
	must(t, a, "k", found)
	must(t, b, "k", found)
	a.Release()
	a.Release()
	if len(share.All[*value](&s)) != 1 {
		t.Fatal("one lease is left, and it is gone")
	}
	v.held.Store(true)
	b.Release()
	if len(share.All[*value](&s)) != 1 {
		t.Fatal("a connection holds it, and it is gone")
	}
	c := s.Lease()
	must(t, c, "k", found)
	c.Release()
	v.held.Store(false)
	if len(share.All[*value](&s)) != 0 {
		t.Error("nobody holds it, and it is kept")
	}
	wait(t, &s)
	if n := v.closed.Load(); n != 1 {
		t.Errorf("it was closed %d times", n)
	}
	if _, err := c.Share("k", is(v)); !errors.Is(err, share.ErrReleased) {
		t.Errorf("a lease that was released: %v", err)
	}
	if len(share.All[any](&s)) != 0 {
		t.Error("a lease that was released holds something")
	}
}

func TestWhatCouldNotBeMadeIsMadeByTheNext(t *testing.T) {
	t.Parallel()
	var s share.Store
	l := s.Lease()
	defer l.Release()
	broken := errors.New("broken")
	if _, err := l.Share("k", func() (any, error) { return 1, broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	func() {
		defer func() {
			if recover() != "oh" {
				t.Error("the panic of make is nobody's")
			}
		}()
		_, _ = l.Share("k", func() (any, error) { panic("oh") })
	}()
	if len(share.All[any](&s)) != 0 {
		t.Error("there is a value")
	}
	if v := must(t, l, "k", is(2)); v != 2 {
		t.Errorf("it is %v", v)
	}
}

// Whoever needs a value that takes long waits for it; nobody else does.
func TestValuesAreMadeOutsideOfTheLock(t *testing.T) {
	t.Parallel()
	var s share.Store
	begun, end := make(chan bool), make(chan bool)
	var made atomic.Int32
	slow := func() (any, error) {
		made.Add(1)
		close(begun)
		<-end
		return "slow", nil
	}
	var group sync.WaitGroup
	group.Go(func() {
		if v, err := s.Lease().Share("slow", slow); v != "slow" || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	})
	<-begun
	for range 4 {
		group.Go(func() {
			if v, err := s.Lease().Share("slow", found); v != "slow" || err != nil {
				t.Errorf("%v, %v", v, err)
			}
		})
	}
	l := s.Lease()
	must(t, l, "quick", is(1))
	l.Release()
	if got := share.All[any](&s); len(got) != 0 {
		t.Errorf("there are %v", got)
	}
	close(end)
	group.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("it was made %d times", n)
	}
}

func TestMakingOneValueMayShareAnother(t *testing.T) {
	t.Parallel()
	var s share.Store
	l := s.Lease()
	v := must(t, l, "outer", func() (any, error) {
		inner, err := l.Share("inner", is(1))
		return fmt.Sprint("around ", inner), err
	})
	if diff := cmp.Diff([]any{1, "around 1"}, share.All[any](&s)); diff != "" || v != "around 1" {
		t.Errorf("shared %v (-want +got):\n%s", v, diff)
	}
}

// Release is called by event loops: it does not wait for a Close, nor for an actor
// that takes its time, and a key has one value at a time all the same.
func TestReleaseNeverWaits(t *testing.T) {
	t.Parallel()
	var s share.Store
	closing := make(chan bool)
	v := &value{closing: func() { <-closing }}
	l := s.Lease()
	must(t, l, "k", is(v))
	l.Release()
	if len(share.All[any](&s)) != 0 {
		t.Error("what is about to go is still there")
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(late); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in vain: %v", err)
	}
	next := make(chan int32)
	go func() {
		_, _ = s.Lease().Share("k", func() (any, error) {
			next <- v.closed.Load()
			return 2, nil
		})
	}()
	close(closing)
	if n := <-next; n != 1 {
		t.Errorf("the next value was made before the last one was closed, %d times", n)
	}
	wait(t, &s)
}

// An actor runs as long as some configuration serves that has it, and no longer.
func TestAnActorRunsOnFromOneConfigurationToTheNext(t *testing.T) {
	t.Parallel()
	var s share.Store
	v := &value{began: make(chan bool, 9)}
	first := s.Lease()
	must(t, first, "k", is(v))
	if v.runs.Load() != 0 {
		t.Fatal("it runs before anything was started")
	}
	end := serve(t, first)
	<-v.began
	second := s.Lease() // built, and not begun
	must(t, second, "k", found)
	end()
	if v.running.Load() != 1 {
		t.Error("it has ended, and the next configuration is about to begin")
	}
	endSecond := serve(t, second)
	refused := s.Lease()
	must(t, refused, "k", found)
	refused.Release()
	endSecond()
	if v.running.Load() != 0 || v.runs.Load() != 1 {
		t.Errorf("%d run, of %d that began", v.running.Load(), v.runs.Load())
	}
	third := s.Lease() // the first one still has connections
	must(t, third, "k", found)
	endThird := serve(t, third)
	<-v.began
	for _, l := range []*share.Lease{first, second} {
		l.Release()
	}
	endThird()
	third.Release()
	wait(t, &s)
	if v.running.Load() != 0 || v.runs.Load() != 2 || v.closed.Load() != 1 {
		t.Errorf("%d run, of %d that began; closed %d times", v.running.Load(), v.runs.Load(), v.closed.Load())
	}
}

// serve runs a lease until the returned function is called.
func serve(t *testing.T, l *share.Lease) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	}
}

// A configuration that never began ends the actors of one that has ended, if it is
// dropped.
func TestAnActorEndsWithTheConfigurationThatNeverBegan(t *testing.T) {
	t.Parallel()
	var s share.Store
	v := &value{began: make(chan bool, 1)}
	first, second := s.Lease(), s.Lease()
	must(t, first, "k", is(v))
	end := serve(t, first)
	<-v.began
	must(t, second, "k", found)
	end()
	first.Release()
	second.Release()
	wait(t, &s)
	if v.running.Load() != 0 || v.closed.Load() != 1 {
		t.Errorf("%d run; closed %d times", v.running.Load(), v.closed.Load())
	}
}

func TestAnActorThatPanicsIsLoggedAndRunsAgainWithTheNextConfiguration(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]func() error{
		"panic: oh":      func() error { panic("oh") },
		"it has no file": func() error { return errors.New("it has no file") },
	} {
		var s share.Store
		var log bytes.Buffer
		v := &value{began: make(chan bool, 9), fails: fails}
		for range 2 {
			l := s.Lease()
			must(t, l, "k", is(v))
			ctx, cancel := context.WithCancel(host.WithLog(t.Context(), slog.New(slog.NewTextHandler(&log, nil))))
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx) }()
			<-v.began
			for v.running.Load() > 0 {
				runtime.Gosched()
			}
			cancel()
			<-done
			l.Release()
			wait(t, &s)
		}
		if v.runs.Load() != 2 || v.closed.Load() != 2 {
			t.Errorf("%s: it ran %d times, and was closed %d times", name, v.runs.Load(), v.closed.Load())
		}
		if n := bytes.Count(log.Bytes(), []byte("an actor ended before its time")); n == 0 || !bytes.Contains(log.Bytes(), []byte(name)) {
			t.Errorf("%s: logged %s", name, &log)
		}
	}
}

func TestShareKnowsItsTypes(t *testing.T) {
	t.Parallel()
	var b hosttest.Builder
	n, err := host.Share(&b, "k", func() (int, error) { return 1, nil })
	if n != 1 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	_, err = host.Share(&b, "k", func() (string, error) { return "", nil })
	if want := `sharing "k": what is kept is a int, and a string was asked for`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	broken := errors.New("broken")
	if _, err := host.Share(&b, "l", func() (int, error) { return 1, broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	b.Release()
}

// Whatever configurations do beside each other: a key has one value at a time, which
// is made once and closed once, runs at most once at a time, and is there while
// somebody holds it.
func TestLawsOfSharing(t *testing.T) {
	t.Parallel()
	var s share.Store
	keys := make([]law, 5)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 9))
			for range 400 {
				configure(t, &s, keys, r)
			}
		})
	}
	group.Wait()
	wait(t, &s)
	for i := range keys {
		if l := &keys[i]; l.made.Load() == 0 || l.made.Load() != l.gone.Load() || l.there.Load() != 0 {
			t.Errorf("key %d: %d made, %d closed, %d there", i, l.made.Load(), l.gone.Load(), l.there.Load())
		}
	}
	if left := share.All[any](&s); len(left) != 0 {
		t.Errorf("%d values are left", len(left))
	}
}

// law is what is known of a key.
type law struct{ made, gone, there atomic.Int32 }

// lawful is a value that counts itself.
type lawful struct {
	t       *testing.T
	law     *law
	running atomic.Int32
}

func (v *lawful) Close() error {
	if v.running.Load() != 0 {
		v.t.Error("closed while it runs")
	}
	v.law.there.Add(-1)
	v.law.gone.Add(1)
	return nil
}

func (v *lawful) Run(ctx context.Context) error {
	if v.running.Add(1) != 1 {
		v.t.Error("it runs twice")
	}
	<-ctx.Done()
	v.running.Add(-1)
	return nil
}

// configure is the life of one configuration.
func configure(t *testing.T, s *share.Store, keys []law, r *rand.Rand) {
	l := s.Lease()
	var mine []*lawful
	for range r.IntN(4) {
		i := r.IntN(len(keys))
		fails := r.IntN(8) == 0
		v, err := l.Share(fmt.Sprint(i), func() (any, error) {
			if keys[i].there.Load() != 0 {
				t.Errorf("key %d is made while it has a value", i)
			}
			if fails {
				return nil, errors.New("it fails")
			}
			keys[i].made.Add(1)
			keys[i].there.Add(1)
			return &lawful{t: t, law: &keys[i]}, nil
		})
		if err == nil {
			mine = append(mine, v.(*lawful))
		}
	}
	if r.IntN(3) > 0 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		if r.IntN(2) == 0 {
			_ = share.All[any](s)
		}
		cancel()
		<-done
	}
	for _, v := range mine {
		if v.law.there.Load() != 1 {
			t.Error("what a configuration holds is not there")
		}
	}
	l.Release()
}
