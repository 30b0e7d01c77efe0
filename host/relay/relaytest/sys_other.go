//go:build !linux

package relaytest

import (
	"net"
	"testing"

	"dwaar.dev/dwaar/host/relay"
)

// bareDescriptors reports whether an Endpoint may be a descriptor here.
const bareDescriptors = false

func bare(dial func(testing.TB) (relay.Endpoint, *peer)) func(testing.TB) (relay.Endpoint, *peer) {
	return dial
}

func socketpair(t testing.TB) (relay.Endpoint, int) {
	t.Helper()
	t.Skip("bare descriptors are for Linux")
	return relay.Endpoint{}, 0
}

func sendUrgent(t testing.TB, _ net.Conn, _ byte) {
	t.Helper()
	t.Skip("urgent data is sent on Linux only")
}

func awaitSent(t testing.TB, _ net.Conn) {
	t.Helper()
	t.Skip("nobody tells here what the other kernel has")
}

func closeDescriptor(int) {}
