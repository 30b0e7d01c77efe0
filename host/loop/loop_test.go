package loop_test

import (
	"os"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

// start makes loops that live as long as the test.
func start(tb testing.TB, n int) *loop.Loops {
	tb.Helper()
	rs, err := loop.New(n)
	if err != nil {
		tb.Skipf("making loops: %v", err)
	}
	tb.Cleanup(rs.Close)
	return rs
}

// Not parallel, as the next one: they count what the process holds.
func TestReactorsPassTheSuite(t *testing.T) {
	relaytest.Run(t, start(t, 2).Start)
}

// TestSoak runs for RELAY_SOAK, 3 s if that is not set.
func TestSoak(t *testing.T) {
	d := 3 * time.Second
	if s := os.Getenv("RELAY_SOAK"); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			t.Fatalf("reading RELAY_SOAK: %v", err)
		}
	}
	relaytest.Soak(t, start(t, 2).Start, d)
}
