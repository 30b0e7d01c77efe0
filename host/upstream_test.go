package host

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

func TestAnUpstreamGoesOutAfterFailuresInARowOnly(t *testing.T) {
	t.Parallel()
	u := NewUpstream("x", UpstreamOptions{MaxFails: 3, FailFor: time.Hour})
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
	for _, o := range []UpstreamOptions{{}, {MaxFails: 1}, {FailFor: time.Hour}} {
		u := NewUpstream("x", o)
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
		u := NewUpstream("x", UpstreamOptions{MaxFails: 1, FailFor: 10 * time.Second})
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
	u := NewUpstream("x", UpstreamOptions{MaxFails: 1, FailFor: 1})
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
	u := NewUpstream("x", UpstreamOptions{})
	got := []bool{u.SetHealthy(true), u.SetHealthy(false), u.SetHealthy(false), u.SetHealthy(true), u.SetHealthy(true)}
	if diff := cmp.Diff([]bool{false, true, false, true, false}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConnectionsOfASickUpstreamAreKilledInWhateverOrderTheyCameAndWent(t *testing.T) {
	t.Parallel()
	u := NewUpstream("x", UpstreamOptions{CloseIfUnhealthy: true})
	var conns []*Conn
	for range 5 {
		a, b := net.Pipe()
		defer b.Close()
		c := NewConn(a, 1, sdk.Flow{}, &Env{Heads: NewHeads(1 << 20)})
		u.Acquire(0)
		d := Dial{Up: u}
		d.Stood(c)
		conns = append(conns, c)
	}
	for _, i := range []int{0, 2, 4} {
		conns[i].Finish(nil)
	}
	u.SetHealthy(false)
	for i, c := range conns {
		killed := c.life.killed.Load()
		if (killed != nil) != (i == 1 || i == 3) {
			t.Errorf("connection %d: %v", i, killed)
		}
	}
	conns[1].Finish(nil)
	conns[3].Finish(nil)
	if u.live != nil || u.Held() {
		t.Errorf("%d are left", u.Conns())
	}
}

func TestOwnIsAtLeastTheListener(t *testing.T) {
	t.Parallel()
	here, there := netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("192.0.2.1:80")
	a, b := net.Pipe()
	defer b.Close()
	env := &Env{Heads: NewHeads(1)}
	c := NewConn(a, 1, sdk.Flow{Local: here}, env)
	if !c.Own(here) || c.Own(there) {
		t.Error("without being told")
	}
	env.Own = func(at netip.AddrPort) bool { return at == there }
	if !c.Own(here) || !c.Own(there) {
		t.Error("told")
	}
}
