package upstream

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnUpstreamGoesOutAfterFailuresInARowOnly(t *testing.T) {
	t.Parallel()
	u := New("x", Options{MaxFails: 3, FailFor: time.Hour})
	step := func(ok bool) {
		trial, in := u.Acquire(0)
		if !in {
			t.Fatal("it takes none")
		}
		if ok {
			u.stood(trial)
			u.leave(false)
		} else {
			u.failed(trial)
		}
	}
	for _, ok := range []bool{false, false, true, false, false, true, false, false, false} {
		if h := u.State().Health; h != Up {
			t.Errorf("it is %v too soon", h)
		}
		step(ok)
	}
	if s := u.State(); s.Health != Out || s.Fails != 3 || s.Conns != 0 || s.Failures != 7 || s.Connects != 2 {
		t.Errorf("%+v", s)
	}
}

func TestPassiveHealthCanBeOff(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {MaxFails: 1}, {FailFor: time.Hour}} {
		u := New("x", o)
		for range 10 {
			u.Acquire(0)
			if u.failed(false) {
				t.Errorf("%+v: it is out", o)
			}
		}
	}
}

func TestStatesHaveTheirTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		u := New("x", Options{MaxFails: 1, FailFor: 10 * time.Second})
		var got []string
		say := func() {
			s := u.State()
			got = append(got, s.Health.String()+" "+s.Since.Sub(begin).String())
		}
		say()
		time.Sleep(time.Second)
		u.Acquire(0)
		u.failed(false)
		time.Sleep(time.Second)
		say()
		time.Sleep(10 * time.Second)
		say()
		u.SetHealthy(false)
		time.Sleep(time.Second)
		say()
		u.SetHealthy(true)
		time.Sleep(time.Second)
		say()
		u.stood(true)
		say()
		want := []string{"up 0s", "out 1s", "trial 11s", "unhealthy 12s", "trial 13s", "up 14s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestOneTrialAtATimeUnderConcurrency(t *testing.T) {
	t.Parallel()
	u := New("x", Options{MaxFails: 1, FailFor: 1})
	u.Acquire(0)
	u.failed(false)
	for {
		if ok, _ := u.Ready(0); ok {
			break
		}
	}
	var running, most, trials atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				trial, ok := u.Acquire(0)
				if !ok {
					continue
				}
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				trials.Add(1)
				running.Add(-1)
				u.failed(trial)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 || trials.Load() == 0 || u.Conns() != 0 {
		t.Errorf("%d at once of %d, %d are left", most.Load(), trials.Load(), u.Conns())
	}
}

func TestAVerdictIsNewsOnce(t *testing.T) {
	t.Parallel()
	u := New("x", Options{})
	got := []bool{u.SetHealthy(true), u.SetHealthy(false), u.SetHealthy(false), u.SetHealthy(true), u.SetHealthy(true)}
	if diff := cmp.Diff([]bool{false, true, false, true, false}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// conn counts how often it is told that its upstream is unhealthy.
type conn struct{ told int }

func (c *conn) Unhealthy() { c.told++ }

func TestConnectionsOfASickUpstreamAreToldInWhateverOrderTheyCameAndWent(t *testing.T) {
	t.Parallel()
	u := New("x", Options{CloseIfUnhealthy: true})
	var conns []*conn
	for range 5 {
		c := &conn{}
		u.Acquire(0)
		(&Dial{Up: u}).stood(nil)
		u.Keep(c)
		conns = append(conns, c)
	}
	for _, i := range []int{0, 2, 4} {
		u.Forget(conns[i], 10, 20)
	}
	u.SetHealthy(false)
	for i, c := range conns {
		if told := c.told == 1; told != (i == 1 || i == 3) {
			t.Errorf("connection %d was told %d times", i, c.told)
		}
	}
	u.Forget(conns[1], 0, 0)
	u.Forget(conns[3], 0, 0)
	if s := u.State(); len(u.live) != 0 || u.Held() || s.BytesUp != 30 || s.BytesDown != 60 {
		t.Errorf("%d are noted, %+v", len(u.live), s)
	}
}

func TestAConnectionThatStandsWhileItsUpstreamGetsSickIsTold(t *testing.T) {
	t.Parallel()
	u := New("x", Options{CloseIfUnhealthy: true})
	u.Acquire(0)
	u.SetHealthy(false)
	c := &conn{}
	u.Keep(c)
	if c.told != 1 {
		t.Errorf("told %d times", c.told)
	}
}
