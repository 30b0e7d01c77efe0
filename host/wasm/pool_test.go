package wasm

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"dwaar.dev/dwaar/sdk"
)

// A module that is closed while it is asked answers or says that it is gone, and
// frees what it had when the last evaluation is over.
func TestModulesCloseUnderTraffic(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, "", "(i32.const 1)")
	for range 50 {
		m := k.must(path, "x")
		var wg sync.WaitGroup
		var asked atomic.Int32
		for range 4 {
			wg.Go(func() {
				for {
					r := ask(m, "")
					asked.Add(1)
					var e *Error
					if errors.As(r.Answer.Err, &e) && e.Kind == Closed {
						return
					}
					if r.Answer.Verdict != sdk.Yes {
						t.Errorf("it says %v", r)
						return
					}
				}
			})
		}
		for asked.Load() < 50 {
			runtime.Gosched()
		}
		k.builder.Release()
		wg.Wait()
		if n := m.module.users.Load(); n != 0 {
			t.Fatalf("%d pools are left", n)
		}
	}
	if n := k.host.live.Load(); n != 0 {
		t.Errorf("%d modules are left", n)
	}
}

// There are never more instances than places, and whoever finds none waits for one
// without a lock.
func TestPoolsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		made := 0
		p := newPool(func() (*instance, error) {
			made++
			return &instance{}, nil
		}, func() {})
		var taken []*instance
		for range p.places {
			in, err := p.get()
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, in)
		}
		if grown, closed := p.count(); grown || closed || made != len(p.places) {
			t.Errorf("%d instances for %d places, and room for more: %t", made, len(p.places), grown)
		}
		got := make(chan *instance)
		go func() {
			in, _ := p.get() // the pool stays open
			got <- in
		}()
		p.put(taken[0])
		if in := <-got; in != taken[0] {
			t.Error("another instance came out than was put back")
		}
	})
}

func TestInstancesThatCannotBeMadeAreNotCounted(t *testing.T) {
	t.Parallel()
	broken := errors.New("no memory")
	emptied := 0
	p := newPool(func() (*instance, error) { return nil, broken }, func() { emptied++ })
	for range 100 {
		if _, err := p.get(); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	p.close()
	p.close()
	if _, err := p.get(); emptied != 1 || err == nil || errors.Is(err, broken) {
		t.Errorf("emptied %d times, and then %v", emptied, err)
	}
}
