package relay_test

import (
	"testing"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

func BenchmarkRelay(b *testing.B) { relaytest.Bench(b, relay.Start) }
