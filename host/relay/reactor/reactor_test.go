package reactor_test

import (
	"os"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay/reactor"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

// start makes reactors that live as long as the test.
func start(tb testing.TB, n int) *reactor.Reactors {
	tb.Helper()
	rs, err := reactor.New(n)
	if err != nil {
		tb.Skipf("making reactors: %v", err)
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
