// Package host holds the words of the program around the matchers: a connection
// ([Conn]), what is done with it ([Handler], [Planner]), and what is known of the
// parts a configuration can name ([Registry], [Builder]).
//
// A handler does its work and calls the next one, or takes the connection and
// returns:
//
//	type echo struct{}
//
//	func (echo) Handle(_ context.Context, c *host.Conn, _ host.Next) error {
//		_, err := io.Copy(c.Net(), c.Net())
//		return err
//	}
//
// Packages graph (routes), engine (sockets), builtin (the handlers themselves) and
// relay (two ends, bytes between them) stand on this one. RATIONALE.md beside this
// file answers "why not …?".
package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Handler does one step of a route with a connection. It runs in the goroutine of
// the connection, may block within the deadlines it sets, and either calls next,
// or ends the connection by returning, or gives it away with [Conn.Relay]. The
// error says why the connection ended; nil and closed connections are no error.
// The engine closes what was not given away.
type Handler interface {
	Handle(ctx context.Context, c *Conn, next Next) error
}

// Next is the rest of a chain.
type Next func(ctx context.Context, c *Conn) error

// Planner is a handler that needs nothing but connect, send and relay, so that a
// connection can take that step without a goroutine.
//
// Plan never blocks. It is asked again after a failed attempt, with the number of
// attempts so far and the error of the last one, and returns where to go next.
// [ErrBlocks] means: call Handle in a goroutine instead. Any other error ends the
// connection.
type Planner interface {
	Handler
	Plan(c *Conn, attempt int, last error) (Dial, error)
}

// ErrBlocks is what Plan returns when it would have to wait: for a name to be
// resolved, for a handshake.
var ErrBlocks = errors.New("planning needs to wait")

// Waiter is a Planner with attempts that have to wait, for a name to be resolved
// or for a handshake. PlanWait is Plan for goroutines: it is asked in its place
// after ErrBlocks, may block as long as ctx allows, and never returns ErrBlocks.
type Waiter interface {
	PlanWait(ctx context.Context, c *Conn, attempt int, last error) (Dial, error)
}

// Dial is one attempt to reach an upstream. Plan has counted it in with
// [Upstream.Acquire]; whoever makes it calls exactly one of Stood, Failed and
// Dropped.
type Dial struct {
	Network string         // "tcp" or "unix"
	Addr    netip.AddrPort // where to, for tcp
	Path    string         // where to, for unix
	Local   netip.Addr     // where from; the zero Addr: the kernel chooses
	First   []byte         // sent before the client's first bytes: a PROXY header
	After   time.Duration  // wait so long before the attempt
	Timeout time.Duration  // for the connection to stand, with First sent; positive
	Up      *Upstream      // what the attempt counts for; may be nil
	Trial   bool           // as Upstream.Acquire said
	More    bool           // the upstream has another address: a failure of this one does not count
	Relay   relay.Options  // limits of the relay; Done belongs to the engine

	// Secure is nil, or what makes another connection of the one that stands: a
	// handshake. It has its own limit, and closes conn if it fails. A Plan without a goroutine never
	// returns it.
	Secure func(ctx context.Context, c *Conn, conn net.Conn) (net.Conn, error)
}
