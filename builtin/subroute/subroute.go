// Package subroute matches again, on what the connection now carries: after TLS
// was terminated, after a header was taken off.
//
//	route @tls {
//		tls
//		subroute {
//			matching_timeout 3s
//			@web http host www.example.com
//			route @web {
//				proxy 127.0.0.1:8080
//			}
//		}
//	}
package subroute

import (
	"context"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the handler.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "subroute",
		Doc:  "Matches again on what the connection carries now",
		Need: true,
		Block: &sdk.Block{
			Options: []sdk.Spec{{
				Name:    "matching_timeout",
				Doc:     "How long the client may take to send what its routes look at",
				Args:    []sdk.Arg{sdk.One("D", sdk.Duration)},
				Default: "3s",
			}},
			Holds: sdk.HoldsRoutes,
		},
	}
}

// New makes the handler from its directive. The options of the block are read by
// whoever builds the routes.
func New(b host.Builder, n *sdk.Node) (host.Handler, error) {
	return &Handler{b.Routes(n)}, nil
}

// Handler tries its routes. A connection that none of them takes, or that comes
// out of one that does not end, goes on to the next handler.
type Handler struct{ routes host.Routes }

// Handle begins a matching phase.
func (h *Handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	return h.routes.Handle(ctx, c, next)
}

var (
	_ host.Ender  = (*Handler)(nil)
	_ host.Router = (*Handler)(nil)
)

// Routes returns the routes.
func (h *Handler) Routes() host.Routes { return h.routes }

// Ends reports whether one of the routes takes every connection and ends.
func (h *Handler) Ends() bool { return h.routes.Ends() }
