// Package host holds the words of the program around the matchers: a connection
// ([Conn]), what is done with it ([Handler], [Planner]), and what is known of the
// parts a configuration can name ([Registry], [Builder]).
//
// A handler does its work and calls the next one, or takes the connection and
// returns:
//
//	type echo struct{}
//
//	func (echo) Handle(_ context.Context, c host.Conn, _ host.Next) error {
//		_, err := io.Copy(c.Net(), c.Net())
//		return err
//	}
//
// Packages graph (routes), session (a connection's life), engine (sockets) and builtin
// (the handlers themselves) stand on this one; it stands on relay (two ends, bytes
// between them) and upstream (where connections go). RATIONALE.md beside this file
// answers "why not …?".
package host

import (
	"context"
	"errors"
	"time"

	"dwaar.dev/dwaar/host/upstream"
)

// Handler does one step of a route with a connection. It runs in the goroutine of
// the connection, may block within the deadlines it sets, and either calls next,
// or ends the connection by returning, or gives it away with [Conn] Relay or Connect.
// The error is the reason of the end; nil and errors of closed connections count as
// none. A connection that was not given away is closed after Handle.
type Handler interface {
	Handle(ctx context.Context, c Conn, next Next) error
}

// Next is the rest of a chain.
type Next func(ctx context.Context, c Conn) error

// Planner is a handler that needs nothing but connect, send and relay, so that a
// connection can take that step without a goroutine. A Planner's Handle calls [Conn]
// Connect.
//
// Plan never blocks. Plan is called again after a failed attempt, with the error of
// that attempt (nil at first), and returns where to go next. [ErrBlocks] means: call
// Handle in a goroutine instead. Any other error ends the connection.
type Planner interface {
	Handler
	Plan(v View, last error) (upstream.Dial, error)
}

// Stepper is a handler that needs nothing but the first bytes of a connection and what is
// known of it, so that a connection can take the step without a goroutine. A Stepper's
// Handle calls [Take].
//
// Step never blocks. Step is called with the head as it is, and where it answers that it
// needs more, again when the head has so many bytes, or when it will not grow: final is
// why then, [io.EOF], [os.ErrDeadlineExceeded] or [ErrFull], and Step decides. The zero
// Await means that the step is done and the next handler has its turn; an error ends the
// connection.
type Stepper interface {
	Handler
	Step(e Editor, final error) (Await, error)
}

// Await is what a Stepper waits for.
type Await struct {
	Bytes  int           // how many the head must have in all; 0: the step is done
	Within time.Duration // how long the client may take for them, from the first Await on
}

// Take is Handle for a Stepper.
func Take(ctx context.Context, c Conn, h Stepper, next Next) error {
	if err := c.Step(h); err != nil {
		return err
	}
	return next(ctx, c)
}

// ErrBlocks is what Plan returns when it would have to wait: for a name to be
// resolved, for a handshake.
var ErrBlocks = errors.New("planning needs to wait")

// WaitingPlanner is a Planner with attempts that have to wait, for a name to be
// resolved or for a handshake. PlanWait is Plan for goroutines: PlanWait is called
// after Plan returned ErrBlocks, may block as long as ctx allows, and never returns
// ErrBlocks.
type WaitingPlanner interface {
	Planner
	PlanWait(ctx context.Context, v View, last error) (upstream.Dial, error)
}
