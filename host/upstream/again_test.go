package upstream

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// tried is an upstream that was out, and may be tried.
func tried(t *testing.T, limit int64) *Upstream {
	t.Helper()
	u := New("x", Options{MaxFails: 1, FailFor: time.Second})
	for range limit { // connections from before
		if _, ok := u.Acquire(limit + 1); !ok {
			t.Fatal("it takes none")
		}
		u.stood(false)
	}
	if _, ok := u.Acquire(0); !ok {
		t.Fatal("it takes none")
	}
	if !u.failed(false) {
		t.Fatal("it is not out")
	}
	time.Sleep(2 * time.Second)
	return u
}

// An upstream on trial that is full takes nobody, and does not lose its trial by that.
func TestAFullUpstreamOnTrialIsTriedWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := tried(t, 2)
		for range 3 {
			if trial, ok := u.Acquire(2); ok || trial {
				t.Fatalf("it is full, and took one: %v, %v", trial, ok)
			}
			if ok, full := u.Ready(2); ok || !full {
				t.Errorf("it is full on trial: ready %v, full %v", ok, full)
			}
		}
		u.Forget(nil, 0, 0)
		if ok, full := u.Ready(2); !ok || full {
			t.Errorf("there is room: ready %v, full %v", ok, full)
		}
		if trial, ok := u.Acquire(2); !ok || !trial {
			t.Errorf("there is room: %v, %v", trial, ok)
		}
		if ok, full := u.Ready(2); ok || full {
			t.Errorf("the trial is under way: ready %v, full %v", ok, full)
		}
	})
}

// However an attempt on trial ends, the next trial is possible, or the upstream is back.
func TestEveryEndOfATrialAllowsTheNextOne(t *testing.T) {
	t.Parallel()
	silent := slog.New(slog.DiscardHandler)
	for name, tc := range map[string]struct {
		end  func(d *Dial)
		want Health
	}{
		"dropped": {func(d *Dial) { d.Dropped() }, OnTrial},
		"failed":  {func(d *Dial) { d.Failed(silent, nil) }, OnTrial},
		"stood":   {func(d *Dial) { d.stood(silent); d.Up.Forget(nil, 0, 0) }, Up},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := tried(t, 0)
			for range 3 {
				trial, ok := u.Acquire(0)
				if !ok || trial != (u.State().Health == OnTrial) {
					t.Fatalf("%s: %v, %v while %v", name, trial, ok, u.State().Health)
				}
				tc.end(&Dial{Up: u, Trial: trial})
			}
			if s := u.State(); s.Health != tc.want || s.Conns != 0 {
				t.Errorf("%s: %v with %d connections, want %v", name, s.Health, s.Conns, tc.want)
			}
		})
	}
}

func TestALimitIsReachedExactly(t *testing.T) {
	t.Parallel()
	one := New("x", Options{})
	if _, ok := one.Acquire(1); !ok {
		t.Error("the only one is not taken")
	}
	if _, ok := one.Acquire(1); ok || one.Conns() != 1 {
		t.Errorf("it took a second: %d", one.Conns())
	}
	u := New("x", Options{})
	for i := range 3 {
		if ok, full := u.Ready(3); !ok || full {
			t.Errorf("with %d of 3: ready %v, full %v", i, ok, full)
		}
		if _, ok := u.Acquire(3); !ok {
			t.Errorf("with %d of 3 it takes none", i)
		}
	}
	if _, ok := u.Acquire(3); ok || u.Conns() != 3 {
		t.Errorf("it took a fourth: %d", u.Conns())
	}
	if ok, full := u.Ready(3); ok || !full {
		t.Errorf("with 3 of 3: ready %v, full %v", ok, full)
	}
	if _, ok := u.Acquire(0); !ok {
		t.Error("without a limit it takes none")
	}
}

func TestOneConnectionHoldsItsUpstreamAndOnlyCheckedOnesAreNoted(t *testing.T) {
	t.Parallel()
	u := New("x", Options{})
	if u.Held() {
		t.Error("nobody holds it, and it is held")
	}
	if _, ok := u.Acquire(0); !ok || !u.Held() {
		t.Error("one connection does not hold it")
	}
	u.Keep(&conn{})
	if len(u.live) != 0 {
		t.Error("a connection is noted that no check would end")
	}
}
