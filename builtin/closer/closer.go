// Package closer holds the handler close, which ends a connection: in order, or
// with a reset that costs the client's kernel nothing to keep.
//
//	route @scanners {
//		close reset
//	}
package closer

import (
	"context"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the handler.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "close",
		Doc:  "Ends the connection, with a reset if asked to",
		Args: []sdk.Arg{{Name: "HOW", Shape: sdk.Enum, Words: []string{"reset"}, Max: 1}},
		Ends: true,
	}
}

// New makes the handler from its directive.
func New(_ host.Builder, n *sdk.Node) (host.Handler, error) {
	return &Handler{Reset: len(n.Args) > 0 && strings.EqualFold(n.Args[0].Text, "reset")}, nil
}

// Handler ends every connection it gets.
type Handler struct {
	// Reset ends a TCP connection with RST: what was not sent yet is dropped, and
	// the client sees "connection reset". Otherwise it sees the end of the stream,
	// unless it has sent bytes that nobody read: for these the kernel sends RST by
	// itself. Unix sockets have no reset and are closed.
	Reset bool
}

// Handle never calls next.
func (h *Handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	return host.Take(ctx, c, h, next)
}

// Step ends the connection.
func (h *Handler) Step(host.Editor, error) (host.Await, error) {
	if h.Reset {
		return host.Await{}, host.End(host.ByProxy, host.Reset, nil)
	}
	return host.Await{}, host.End(host.ByProxy, host.Closed, nil)
}

var (
	_ host.Denier  = (*Handler)(nil)
	_ host.Stepper = (*Handler)(nil)
)

// Denies returns true: close turns away every connection.
func (h *Handler) Denies() bool { return true }
