package host

import (
	"context"
	"net"
	"net/netip"

	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// The interfaces of this file, and Planner and WaitingPlanner beside Handler, are abilities:
// what a part can do beside what its kind demands. A type that has an ability declares
// it with var _ host.Ender = (*Handler)(nil), and a test lists the types that have each
// ability and the packages that use it.

// Actor is a matcher, handler or shared value of which something runs beside the
// connections: health checks, file watchers. Run is started when the configuration is
// loaded, returns when ctx is done, and not before. A shared value runs once, however
// many configurations hold it.
type Actor interface {
	Run(ctx context.Context) error
}

// Beginner is an actor with something to do before anybody may rely on its
// configuration: the program reports that it serves once every Beginner has begun.
type Beginner interface {
	Actor
	Begun() <-chan struct{} // closed once the actor works, or knows that it cannot
}

// Held is a shared value that connections hold beyond the life of the graph that named
// the value.
type Held interface {
	Held() bool // reports whether a connection does
}

var _ Held = (*upstream.Upstream)(nil)

// Targeter is a handler that returns the addresses that it connects to, as far as the
// configuration fixes them, so that loops are found at load.
type Targeter interface {
	Targets() []Target
}

// Target is an address that a handler connects to: that of a TCP server, or the path of a
// Unix socket.
type Target struct {
	Addr netip.AddrPort // the zero value: Path counts
	Path string
}

// String returns the address as it is written.
func (t Target) String() string {
	if t.Addr.IsValid() {
		return t.Addr.String()
	}
	return "unix/" + t.Path
}

// Checker is a [View] in a goroutine. It looks at attempts that a planner makes beside those
// it returns: see [upstream.Course.Check].
type Checker interface {
	Check(context.Context, *upstream.Dial) error
}

// Spender is a [View] in a goroutine whose connection may hold more descriptors than those of
// the client and one upstream.
type Spender interface {
	// Spend counts n more descriptors, until giveBack is called. The error is one of this
	// machine ([upstream.LocalFault]): all connections together hold as many as they may.
	Spend(n int) (giveBack func(), err error)
}

// Brancher is a [Conn] that can have branches: connections of their own, beside it.
type Brancher interface {
	// Branch runs a chain of handlers in a goroutine. Its connection has the bytes of sock,
	// which Branch owns, and what is known of this one now. ended is told the end of the
	// branch, once; kill brings it about, whatever the branch waits for, and may be called at
	// any time.
	Branch(sock net.Conn, run func(context.Context, Conn) error, ended func(Outcome)) (kill func())
}

// Ender is a handler of which the arguments decide whether it ends: whether no
// connection goes on to the handler behind it. For other handlers the sdk.Spec decides.
type Ender interface {
	Ends() bool
}

// Router is a handler that is nothing but the routes that it tries, so that an event loop
// can try them. A connection that none of them takes goes on to the next handler.
type Router interface {
	Handler
	Routes() Routes
}

// Renamer is a handler that can give a client another address.
type Renamer interface {
	// Believes reports whether any client may name an address and is believed.
	Believes() bool
}

// Denier is a handler that turns connections away: the set of its route keeps
// clients out instead of letting them in. The graph judges by Denies whether the answer
// of a [Substitute] is safe.
type Denier interface {
	Denies() bool
}

// Offerer is a handler that agrees on an application protocol with its client. What
// the connection then carries is matched by the rules of that protocol.
type Offerer interface {
	Offers(protocol string) bool // by its ALPN name (RFC 7301, section 6)
}

// Blocker is a Planner whose arguments may need a goroutine all the same.
type Blocker interface {
	Blocks() string // the reason, as validate prints it; "": no attempt waits
}

// Substitute is a matcher that can be configured to answer in the place of an
// evaluation that failed. A constructor may return a Substitute beside an error, so that
// the answer is judged also where the arguments are refused.
type Substitute interface {
	sdk.Matcher
	// Substitute returns whether a failed evaluation matches, and the error of a
	// configuration where that would let clients in whom the matcher was to keep out.
	// The error is nil if there is no such answer, or it may stand anywhere.
	Substitute() (matches bool, unsafe error)
}

// Placed is a Builder that knows where the directive stands.
type Placed interface {
	InGlobal() bool // in a layer4 inside the global block, as in a Caddyfile
}

// ClosedFacts is a Builder that knows of facts whose every value the configuration lists,
// because the matcher that supplies them has exact names only.
type ClosedFacts interface {
	Closed(fact string) bool
}

// Prospector is a Planner that can say where it may send a connection, for people who ask
// before there is one.
type Prospector interface {
	Planner
	// Prospects returns the upstreams as the configuration names them, with placeholders
	// filled in, those that are tried first at the front. It resolves, counts and connects
	// nothing. An error is why the connection of v is sent nowhere.
	Prospects(v View) ([]string, error)
}
