package host

import (
	"context"
	"log/slog"
	"net"
	"net/netip"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// View is a connection as a [Planner] sees it: what is known of it, and nothing that
// could wait.
type View interface {
	// Flow is the connection as its matchers see it. It stays the connection's own.
	Flow() *sdk.Flow
	// Get returns a fact, a variable, or one of conn.*, time.* and env.*, by its full name.
	Get(name string) (string, bool)
	// Log is the logger of the connection's listener.
	Log() *slog.Logger
	// Attempts is the memory of the connection's Planner.
	Attempts() *upstream.Attempts
	// Own reports whether a listener of this program has the address, as far as the
	// connection knows: at least the one that it came in by.
	Own(netip.AddrPort) bool
}

// Editor is a connection as a [Stepper] sees it: what is known of it, what can be changed,
// and nothing that could wait.
type Editor interface {
	View

	// Discard eats n bytes of the head: a PROXY header, an SSLRequest. What was
	// parsed of the head is forgotten, and a matching phase behind has all its time.
	Discard(n int)
	// Put makes a fact known as of.key; variables are of "vars". It returns false
	// where the connection has no room for it.
	Put(of, key, value string) bool
	// Readdress replaces the addresses of the client and of the server by those that a
	// PROXY header names; the zero AddrPort means that there is none. The peer stays known
	// as conn.peer_addr.
	Readdress(remote, local netip.AddrPort)
}

// Conn is one connection on its way through the handlers of a route, in a goroutine
// of its own that owns it. It is not itself a net.Conn, so that nobody reads past
// its head by accident. Package session has the only implementation.
type Conn interface {
	Editor

	// Head is what was received and not consumed. A handler that sends bytes on sends
	// the head first. The slice is valid until the next call of a method.
	Head() []byte
	// Peek waits until the head holds at least n bytes. Otherwise it returns io.EOF
	// or a read error, os.ErrDeadlineExceeded at the deadline of the phase, ErrFull
	// if the head can never be that long, or ErrNoMemory.
	Peek(n int) error
	// Step takes the step of h, and receives what h needs for it. A Stepper's Handle calls
	// Step by way of [Take].
	Step(h Stepper) error

	// Charge counts n bytes of memory that the connection holds from now on on the
	// client's account, or with a negative n gives them back: a handshake that is not
	// finished, for example. A connection that holds bytes gives way before others that
	// hold none. The error is ErrNoMemory; then nothing was counted. What is charged when
	// the connection ends is given back with it.
	Charge(n int) error
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
