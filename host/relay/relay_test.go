package relay_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

// Not parallel, as the next two: they count what the process holds.
func TestRelayPassesTheSuite(t *testing.T) {
	relaytest.Run(t, relay.Start)
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
	relaytest.Soak(t, relay.Start, d)
}

// A buffer for each half alone would be 64 KiB. With TLS most is the stack that
// crypto/tls needs to wait in Read, and 4 KiB the buffer it waits with.
func TestASilentLinkHoldsLittleMemory(t *testing.T) {
	for way, n := range relaytest.IdleLink(t, relay.Start) {
		most := int64(16 << 10)
		if strings.Contains(way, "tls") {
			most = 32 << 10
		}
		t.Logf("%s: %d bytes of heap and stacks", way, n)
		if n > most*frames {
			t.Errorf("%s: %d bytes, want at most %d", way, n, most*frames)
		}
	}
}
