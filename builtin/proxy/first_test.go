package proxy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/upstream"
)

const threeChecked = "proxy {\nto 10.0.0.1:1 10.0.0.2:1\nupstream 10.0.0.3:1 {\nbackup\n}\nlb_policy first\nhealth_timeout 4s\nhealth_interval 1m\nhealth_fall 3\nhealth_rise 3\n}"

// planned is where a connection goes, and when.
func planned(t *testing.T, h *Handler) string {
	t.Helper()
	began := time.Now()
	d, err := h.PlanWait(t.Context(), client("192.0.2.9:1", nil), nil)
	if err != nil {
		return err.Error()
	}
	d.Dropped()
	return d.Addr.Addr().String() + " after " + time.Since(began).String()
}

func TestConnectionsWaitForTheFirstResultOfAnUpstream(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		results map[int]bool // of the upstreams, after a second each
		want    string
	}{
		{"the first is well", map[int]bool{0: true}, "10.0.0.1 after 1s"},
		{"the second is well", map[int]bool{0: false, 1: true}, "10.0.0.2 after 2s"},
		{"both are ill, the backup is well", map[int]bool{0: false, 1: false, 2: true}, "10.0.0.3 after 3s"},
		{"the backup does not come before those it is for", map[int]bool{2: true}, "10.0.0.3 after 4s"},
		{"nobody knows", nil, "10.0.0.1 after 4s"},
		{"the first is ill and nobody knows of the others", map[int]bool{0: false}, "10.0.0.2 after 4s"},
		{"all are ill", map[int]bool{0: false, 1: false, 2: false}, errOut.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mustMake(t, threeChecked)
				if _, err := h.Plan(client("192.0.2.9:1", nil), nil); !errors.Is(err, host.ErrBlocks) {
					t.Errorf("an event loop must not wait: %v", err)
				}
				for i, well := range c.results {
					time.AfterFunc(time.Duration(i+1)*time.Second, func() { h.member(i).up.SetHealthy(well) })
				}
				if diff := cmp.Diff(c.want, planned(t, h)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestWhoIsKnownToBeWellIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	h := mustMake(t, threeChecked)
	h.member(1).up.SetHealthy(true)
	for range 10 {
		d, err := h.Plan(client("192.0.2.9:1", nil), nil)
		if err != nil || d.Up != h.member(1).up {
			t.Fatal(d.Addr, err)
		}
		d.Dropped()
	}
}

func TestAWaitForTheFirstResultEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := mustMake(t, threeChecked).PlanWait(ctx, client("", nil), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheFirstResultDecidesWhateverTheNumberInARow(t *testing.T) {
	t.Parallel()
	for result, want := range map[error]upstream.Health{nil: upstream.Up, errors.New("refused"): upstream.Unfit} {
		up := upstream.New("x", upstream.Options{Checked: true})
		if h := up.State().Health; h != upstream.Unchecked {
			t.Errorf("it begins %v", h)
		}
		k, lines := &checker{up: up, fall: 3, rise: 3}, &logs{}
		k.note(new(streak), result, lines.logger())
		if h := up.State().Health; h != want {
			t.Errorf("after %v it is %v", result, h)
		}
		if n := lines.count("upstream is"); n != int(want/upstream.Unfit) {
			t.Errorf("after %v:\n%s", result, lines.b.String())
		}
	}
}

func TestAReloadKeepsTheHealthOfUpstreamsItLeavesAlone(t *testing.T) {
	t.Parallel()
	store := new(share.Store)
	before, after := &builder{}, &builder{}
	before.Store, after.Store = store, store
	old, err := before.make(t, "proxy 10.0.0.1:1 10.0.0.2:1 {\nhealth_interval 1m\n}", nil)
	if err != nil {
		t.Fatal(err)
	}
	old.member(0).up.SetHealthy(false)
	old.member(1).up.SetHealthy(true)
	got := map[string][]string{}
	for name, text := range map[string]string{
		"the same checks":  "proxy 10.0.0.1:1 10.0.0.2:1 {\nhealth_interval 1m\nlb_policy first\n}",
		"other checks":     "proxy 10.0.0.1:1 10.0.0.2:1 {\nhealth_interval 2m\n}",
		"checks by TLS":    "proxy 10.0.0.1:1 10.0.0.2:1 {\nhealth_interval 1m\nhealth_tls\n}",
		"checks by no one": "proxy 10.0.0.1:1 10.0.0.2:1",
	} {
		h, err := after.make(t, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range h.primaries {
			got[name] = append(got[name], h.primaries[i].up.State().Health.String())
		}
	}
	want := map[string][]string{
		"the same checks":  {"unhealthy", "up"},
		"other checks":     {"unchecked", "unchecked"},
		"checks by TLS":    {"unchecked", "unchecked"},
		"checks by no one": {"up", "up"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAVerdictOfChecksThatEndedCountsNoMore(t *testing.T) {
	t.Parallel()
	up := serve(t, "a")
	b := &builder{}
	h, err := b.make(t, "proxy "+up.addr+" {\nhealth_interval 1h\n}", nil)
	if err != nil {
		t.Fatal(err)
	}
	state := func() upstream.Health { return h.primaries[0].up.State().Health }
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Actors()[0].Run(ctx) }()
		<-h.primaries[0].up.Unchecked()
		if state() != upstream.Up {
			t.Errorf("checked, and %v", state())
		}
		cancel()
		if err := <-ended; err != nil || state() != upstream.Unchecked {
			t.Errorf("ended by %v, and %v", err, state())
		}
	}
}
