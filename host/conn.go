package host

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// View is a connection as a [Planner] sees it: what is known of it, and nothing that
// could wait.
type View interface {
	// Flow is the connection as its matchers see it. It stays the connection's own.
	Flow() *sdk.Flow
	// Get returns a fact, a variable, or one of conn.* and env.*, by its full name.
	Get(name string) (string, bool)
	// Log is the logger of the connection's listener.
	Log() *slog.Logger
	// Attempts is the memory of the connection's Planner.
	Attempts() *upstream.Attempts
	// Own reports whether a listener of this program has the address, as far as the
	// connection knows: at least the one that it came in by.
	Own(netip.AddrPort) bool
}

// Conn is one connection on its way through the handlers of a route, in a goroutine
// of its own that owns it. It is not itself a net.Conn, so that nobody reads past
// its head by accident. Package session has the only implementation.
type Conn interface {
	View

	// Head is what was received and not consumed. A handler that sends bytes on sends
	// the head first. The slice is valid until the next call of a method.
	Head() []byte
	// Peek waits until the head holds at least n bytes. Otherwise it returns io.EOF
	// or a read error, os.ErrDeadlineExceeded at the deadline of the phase, ErrFull
	// if the head can never be that long, or ErrNoMemory.
	Peek(n int) error
	// Discard eats n bytes of the head: a PROXY header, an SSLRequest. What was
	// parsed of the head is forgotten.
	Discard(n int)

	// Put makes a fact known as of.key; variables are of "vars". It returns false
	// where the connection has no room for it.
	Put(of, key, value string) bool
	// SetRemote replaces the client's address by the one a PROXY header names. The
	// peer stays known as conn.peer_addr.
	SetRemote(netip.AddrPort)
	// Enter begins a new phase of the connection: a handler that relays by itself
	// enters InRelay.
	Enter(Phase)

	// Net returns the connection as a net.Conn whose reads give the head first. Peek
	// and Head then see only what was not read.
	Net() net.Conn
	// Wrap returns the same connection carrying other bytes, those of inner, which
	// reads from Net. Facts, identity and outcome are shared; zero copy is now
	// impossible. A new matching phase begins on it.
	Wrap(inner net.Conn) Conn
	// Connect makes the attempts that p plans and gives the connection to the relay
	// when one stands. A Planner's Handle calls Connect. What was received from the
	// client is sent to the upstream that stands, whatever became of earlier attempts.
	Connect(ctx context.Context, p Planner) error
	// Relay gives the connection away: head first, then bytes both ways until both
	// sides are done. Relay may return before the relay ends; the connection is then
	// not the caller's any more. Limits come from o; the Done of o is not called.
	Relay(up relay.Endpoint, o relay.Options) error
	// Given reports whether the connection was given to a relay.
	Given() bool
}

// Plain returns an address as the program uses it: unmapped, without zone.
func Plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// ConnFacts lists the facts conn.* that every connection has, as far as its network
// does.
func ConnFacts() []string {
	return []string{
		"remote_addr", "remote_ip", "remote_port", "local_addr", "local_ip", "local_port",
		"listener", "network", "id", "peer_addr",
	}
}

// ConnFact returns a fact of [ConnFacts] but conn.peer_addr, which SetRemote records, by
// its key, "remote_ip". id is the number of the connection.
func ConnFact(f *sdk.Flow, id uint64, key string) (string, bool) {
	side, what, _ := strings.Cut(key, "_")
	switch {
	case side == "remote":
		return addrFact(f.Remote, what)
	case side == "local":
		return addrFact(f.Local, what)
	case key == "listener":
		return f.Listener, true
	case key == "network":
		return f.Network, true
	case key == "id":
		return strconv.FormatUint(id, 10), true
	}
	return "", false
}

// addrFact returns a part of an address.
func addrFact(a netip.AddrPort, what string) (string, bool) {
	switch what {
	case "addr":
		return a.String(), a.IsValid()
	case "ip":
		return a.Addr().String(), a.IsValid()
	case "port":
		return strconv.Itoa(int(a.Port())), a.IsValid()
	}
	return "", false
}
