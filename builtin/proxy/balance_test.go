package proxy

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/upstream"
)

// shares plans n connections from as many goroutines as workers and counts who got
// them. Each is dropped at once, unless hold says to keep it.
func shares(t *testing.T, h *Handler, n, workers int, hold bool) []int {
	t.Helper()
	var mu sync.Mutex
	counts := make([]int, len(h.primaries))
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			mine := make([]int, len(counts))
			for i := range n / workers {
				c := client(fmt.Sprintf("10.%d.%d.%d:1", w, i>>8&255, i&255), nil)
				d, err := h.Plan(c, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mine[slices.IndexFunc(h.primaries, func(m member) bool { return m.up == d.Up })]++
				if !hold {
					d.Dropped()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range mine {
				counts[i] += mine[i]
			}
		})
	}
	all.Wait()
	return counts
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " 10.9.0.%d:1", i+1)
	}
	return b.String()
}

// within reports whether counts are those of n independent draws with equal chances,
// within five standard deviations.
func within(t *testing.T, what string, counts []int) {
	t.Helper()
	n := 0
	for _, c := range counts {
		n += c
	}
	p := 1 / float64(len(counts))
	bound := 5 * math.Sqrt(float64(n)*p*(1-p))
	for i, c := range counts {
		if math.Abs(float64(c)-float64(n)*p) > bound {
			t.Errorf("%s: upstream %d got %d of %d, expected %.0f ± %.0f", what, i, c, n, float64(n)*p, bound)
		}
	}
}

func TestSharesAreEven(t *testing.T) {
	t.Parallel()
	const n, workers = 8000, 8
	for policy, exact := range map[string]bool{
		"round_robin": true, "weighted_round_robin": true, "random": false, "random_choose 1": false, "ip_hash": false,
	} {
		h := mustMake(t, "proxy"+members(5)+" {\nlb_policy "+policy+"\n}")
		got := shares(t, h, n, workers, false)
		within(t, policy, got)
		if exact && !cmp.Equal([]int{1600, 1600, 1600, 1600, 1600}, got) {
			t.Errorf("%s: %v", policy, got)
		}
	}
}

func TestSharesAreEvenWithoutTheOneThatIsOut(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"round_robin", "random", "ip_hash", "weighted_round_robin"} {
		h := mustMake(t, "proxy"+members(5)+" {\nlb_policy "+policy+"\n}")
		h.primaries[2].up.SetHealthy(false)
		got := shares(t, h, 8000, 8, false)
		if got[2] != 0 {
			t.Errorf("%s: the unhealthy one got %d", policy, got[2])
		}
		within(t, policy, slices.Delete(got, 2, 3))
	}
}

func TestLeastConnKeepsUpstreamsLevel(t *testing.T) {
	t.Parallel()
	const workers = 8
	h := mustMake(t, "proxy"+members(5)+" {\nlb_policy least_conn\n}")
	got := shares(t, h, 1000, workers, true)
	for i, c := range got {
		// Choices that are made at the same moment see the same counts.
		if c < 200-workers || c > 200+workers {
			t.Errorf("upstream %d has %d of 1000", i, c)
		}
		if n := h.primaries[i].up.Conns(); n != int64(c) {
			t.Errorf("upstream %d has %d and counts %d", i, c, n)
		}
	}
}

func TestLeastConnBreaksTiesFairly(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy"+members(4)+" {\nlb_policy least_conn\n}")
	within(t, "ties", shares(t, h, 8000, 1, false))
}

func TestTwoRandomChoicesStayNearLevel(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy"+members(5)+" {\nlb_policy random_choose\n}")
	for i, c := range shares(t, h, 1000, 1, true) {
		if c < 190 || c > 210 {
			t.Errorf("upstream %d has %d of 1000", i, c)
		}
	}
}

func TestFirstIsTheFirstThatIsReady(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy"+members(3)+" {\nlb_policy first\n}")
	if diff := cmp.Diff([]int{10, 0, 0}, shares(t, h, 10, 1, false)); diff != "" {
		t.Error(diff)
	}
	h.primaries[0].up.SetHealthy(false)
	if diff := cmp.Diff([]int{0, 10, 0}, shares(t, h, 10, 1, false)); diff != "" {
		t.Error(diff)
	}
}

func TestWeightsAreSharesAndAreSpread(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy {\nlb_policy weighted_round_robin\nupstream 10.0.0.1:1 {\nweight 10\n}\nupstream 10.0.0.2:1 {\nweight 4\n}\nupstream 10.0.0.3:1 {\nweight 2\n}\n}")
	if diff := cmp.Diff([]uint8{0, 1, 0, 0, 2, 0, 1, 0}, h.balance.primaries); diff != "" {
		t.Errorf("the schedule (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1000, 400, 200}, shares(t, h, 1600, 8, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.primaries[0].up.SetHealthy(false)
	if diff := cmp.Diff([]int{0, 400, 200}, shares(t, h, 600, 1, false)); diff != "" {
		t.Errorf("without the first (-want +got):\n%s", diff)
	}
}

func TestIPHashMovesOnlyTheClientsOfTheOneThatIsOut(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy"+members(5)+" {\nlb_policy ip_hash\n}")
	where := func() []*upstream.Upstream {
		var ups []*upstream.Upstream
		for i := range 500 {
			d, err := h.Plan(client(fmt.Sprintf("198.51.%d.%d:%d", i>>8, i&255, i+1), nil), nil)
			if err != nil {
				t.Fatal(err)
			}
			d.Dropped()
			ups = append(ups, d.Up)
		}
		return ups
	}
	before := where()
	gone := h.primaries[3].up
	gone.SetHealthy(false)
	for i, up := range where() {
		if up != before[i] && before[i] != gone || up == gone {
			t.Errorf("client %d moved from %s to %s", i, before[i].Name, up.Name)
		}
	}
	gone.SetHealthy(true)
	for i, up := range where() {
		if up != before[i] {
			t.Errorf("client %d did not return", i)
		}
	}
}

func TestIPHashDoesNotDependOnOrderOrPort(t *testing.T) {
	t.Parallel()
	a := mustMake(t, "proxy 10.0.0.1:1 10.0.0.2:1 10.0.0.3:1 {\nlb_policy ip_hash\n}")
	b := mustMake(t, "proxy 10.0.0.3:1 10.0.0.1:1 10.0.0.2:1 {\nlb_policy ip_hash\n}")
	for i := range 100 {
		da, _ := a.Plan(client(fmt.Sprintf("198.51.100.%d:%d", i, i+1), nil), nil)
		db, _ := b.Plan(client(fmt.Sprintf("198.51.100.%d:%d", i, 9999), nil), nil)
		if da.Addr != db.Addr {
			t.Errorf("client %d: %v and %v", i, da.Addr, db.Addr)
		}
	}
}

func TestIPHashSpreadsClientsWithoutAnAddress(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy"+members(3)+" {\nlb_policy ip_hash\n}")
	seen := map[netip.AddrPort]bool{}
	for range 200 {
		d, _ := h.Plan(client("", nil), nil)
		seen[d.Addr] = true
	}
	if len(seen) != 3 {
		t.Errorf("they went to %v", seen)
	}
}
