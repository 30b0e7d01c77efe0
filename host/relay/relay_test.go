package relay_test

import (
	"testing"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

func TestRelay(t *testing.T) {
	relaytest.Run(t, relay.Start)
}
