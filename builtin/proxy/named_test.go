package proxy

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
)

func addrs(texts ...string) []netip.Addr {
	var as []netip.Addr
	for _, text := range texts {
		as = append(as, netip.MustParseAddr(text))
	}
	return as
}

// pooled has a pool ask look.
func pooled(look names.Lookup) *names.Pool {
	return names.New(look, names.Limits{AtOnce: 4, Waiting: 16})
}

func TestTheFirstConnectionWaitsForItsUpstreamsName(t *testing.T) {
	t.Parallel()
	up := serve(t, "a")
	_, port, _ := strings.Cut(up.addr, ":")
	var asked atomic.Int32
	h, err := (&builder{}).make(t, "proxy db.example:"+port, func(_ context.Context, _, name string) ([]netip.Addr, error) {
		asked.Add(1)
		if name != "db.example" {
			return nil, errors.New("no such host")
		}
		return addrs("::ffff:127.0.0.1"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Plan(client("", nil), nil); !errors.Is(err, host.ErrBlocks) {
		t.Errorf("got %v", err)
	}
	s := hosttest.Serve(t, h, nil)
	for range 3 {
		if got := exchange(t, s.Addr, ""); got != "a" {
			t.Errorf("got %q", got)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	d, err := h.Plan(client("", nil), nil)
	if err != nil || d.Addr.String() != up.addr {
		t.Errorf("now it is known: %v, %v", d.Addr, err)
	}
	d.Dropped()
}

func TestANameWithoutAnAnswerIsAFailureOfItsUpstream(t *testing.T) {
	t.Parallel()
	up := serve(t, "b")
	h := mustMake(t, "proxy nowhere.example:1 "+up.addr+" {\nlb_policy first\nmax_fails 2\n}")
	s := hosttest.Serve(t, h, nil)
	for range 3 {
		if got := exchange(t, s.Addr, ""); got != "b" {
			t.Errorf("got %q", got)
		}
	}
	if st := h.primaries[0].up.State(); st.Health != upstream.Out || st.Failures != 2 || st.Conns != 0 {
		t.Errorf("%+v", st)
	}
}

func TestManyConnectionsAskOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := newResolver("x", pooled(func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			asked++
			return addrs("192.0.2.1"), upstream.Pause(ctx, time.Second)
		}))
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got, err := r.addrs(t.Context(), true); err != nil || len(*got) != 1 {
					t.Error(got, err)
				}
			})
		}
		all.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestOneWhoGivesUpAskingDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newResolver("x", pooled(func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			return addrs("192.0.2.1"), upstream.Pause(ctx, time.Second)
		}))
		impatient, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := r.addrs(impatient, true); err == nil {
				t.Error("it was cancelled and got an answer")
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := r.addrs(t.Context(), true); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
	})
}

func TestNamesAreAskedAgainAndKeepTheirLastGoodAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answer atomic.Pointer[[]netip.Addr]
		r := newResolver("x", pooled(func(context.Context, string, string) ([]netip.Addr, error) {
			if a := answer.Load(); a != nil {
				return *a, nil
			}
			return nil, errors.New("the server is away")
		}))
		lines := &logs{}
		ctx, cancel := context.WithCancel(host.WithLog(t.Context(), lines.logger()))
		var running sync.WaitGroup
		for range 2 { // two graphs that share it
			running.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if _, err := r.addrs(ctx, false); !errors.Is(err, host.ErrBlocks) {
			t.Errorf("got %v", err)
		}
		for _, step := range []struct{ answer, want string }{
			{"192.0.2.1", "192.0.2.1"}, {"192.0.2.2", "192.0.2.2"}, {"", "192.0.2.2"}, {"192.0.2.3", "192.0.2.3"},
		} {
			answer.Store(nil)
			if step.answer != "" {
				a := addrs(step.answer)
				answer.Store(&a)
			}
			time.Sleep(34 * time.Second)
			synctest.Wait()
			got, err := r.addrs(ctx, false)
			if diff := cmp.Diff(step.want, (*got)[0].String()); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		}
		cancel()
		running.Wait()
		if lines.count("resolves again") != 2 || lines.count("resolving an upstream's name") != 2 {
			t.Errorf("log:\n%s", lines.b.String())
		}
	})
}

func TestPreferenceOrdersAddresses(t *testing.T) {
	t.Parallel()
	all := addrs("2001:db8::1", "192.0.2.1", "192.0.2.2", "2001:db8::2")
	for _, c := range []struct {
		p     preference
		start uint32
		want  string
	}{
		{anyFamily, 0, "2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2"},
		{anyFamily, 1, "2001:db8::2 2001:db8::1 192.0.2.1 192.0.2.2"},
		{v4First, 0, "192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2"},
		{v6First, 3, "2001:db8::2 2001:db8::1 192.0.2.1 192.0.2.2"},
		{v4Only, 5, "192.0.2.2 192.0.2.1"},
		{v6Only, 0, "2001:db8::1 2001:db8::2"},
	} {
		_, n := c.p.at(all, 0, c.start)
		var got []string
		for k := range n {
			a, _ := c.p.at(all, k, c.start)
			got = append(got, a.String())
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%d from %d (-want +got):\n%s", c.p, c.start, diff)
		}
	}
	if _, n := v6Only.at(addrs("192.0.2.1"), 0, 0); n != 0 {
		t.Error("a family that is not there has addresses")
	}
}

func TestOtherAddressesOfANameAreTriedBeforeItsUpstreamHasFailed(t *testing.T) {
	t.Parallel()
	up := serve(t, "a")
	_, port, _ := strings.Cut(up.addr, ":")
	look := func(context.Context, string, string) ([]netip.Addr, error) {
		return addrs("127.0.0.2", "127.0.0.1", "127.0.0.3"), nil
	}
	h, err := (&builder{}).make(t, "proxy db.example:"+port+" {\nmax_fails 1\n}", look)
	if err != nil {
		t.Fatal(err)
	}
	s := hosttest.Serve(t, h, nil)
	for range 6 {
		if got := exchange(t, s.Addr, ""); got != "a" {
			t.Errorf("got %q", got)
		}
		s.Outcome(t)
	}
	if st := h.primaries[0].up.State(); st.Connects != 6 || st.Failures != 0 || st.Conns != 0 {
		t.Errorf("%+v", st)
	}
	up.stop()
	exchange(t, s.Addr, "")
	s.Outcome(t)
	if st := h.primaries[0].up.State(); st.Failures != 1 || st.Health != upstream.Out {
		t.Errorf("all three refused: %+v", st)
	}
}
