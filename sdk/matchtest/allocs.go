package matchtest

import (
	"testing"

	"dwaar.dev/dwaar/sdk"
)

// Allocs asserts that Match allocates nothing, facts and parsing included, when a
// flow is used again for another connection, also if its bytes arrive in three
// pieces. The test must not run in parallel with others. Under the race detector,
// where pools of the standard library drop values at random, nothing is counted.
func Allocs(t testing.TB, m sdk.Matcher, f sdk.Flow, heads ...[]byte) {
	t.Helper()
	if raceDetector {
		return
	}
	for _, head := range heads {
		flow := f
		facts := &arena{before: flow.Bind(nil)}
		flow.Bind(facts)
		bounds := []int{0}
		n := testing.AllocsPerRun(100, func() {
			flow.Rehead(nil)
			for _, n := range []int{0, len(head) / 3, len(head) - 1, len(head)} {
				if isDatagram(&f) && n < len(head) {
					continue
				}
				flow.Head = head[:max(n, 0)]
				if isDatagram(&f) {
					bounds[0] = n
					flow.Bounds = bounds
				}
				facts.used = 0
				if _, err := m.Match(&flow); err != nil {
					t.Fatalf("asking %T: %v", m, err)
				}
			}
		})
		if n != 0 {
			t.Errorf("%T allocates %v times for %d bytes %s", m, n, len(head), quote(head))
		}
	}
}

// arena keeps facts as a connection does, without allocating.
type arena struct {
	before sdk.Facts
	bytes  [8 << 10]byte
	used   int
}

func (a *arena) Get(name string) (string, bool) {
	if a.before == nil {
		return "", false
	}
	return a.before.Get(name)
}

func (a *arena) Set(key string, value []byte) {
	a.used += copy(a.bytes[a.used:], key)
	a.used += copy(a.bytes[a.used:], value)
}
