package graph

import (
	"context"
	"strings"

	"dwaar.dev/dwaar/host"
)

// chain is the handlers of a route, in order. A chain that does not end continues
// with the routes after its own.
type chain struct {
	handlers []host.Handler
	texts    []string // as validate prints them
	ends     bool
	rest     *Routes // nil: what nobody took goes to the caller's next
}

// run gives a connection to a route's handlers.
func (r *Route) run(ctx context.Context, c *host.Conn, l *list, next host.Next) error {
	if !l.own && c.Record().Route == "" {
		c.Record().Route = r.title()
	}
	c.Enter(host.InHandling)
	return r.chain.step(ctx, c, 0, next)
}

// Run gives a connection to the chain alone: a branch beside a route.
func (ch *chain) Run(ctx context.Context, c *host.Conn) error {
	return ch.step(ctx, c, 0, func(context.Context, *host.Conn) error { return nil })
}

// Ends says whether the last handler ends the connection.
func (ch *chain) Ends() bool { return ch.ends }

// String prints one handler a line.
func (ch *chain) String() string { return strings.Join(ch.texts, "\n") }

func (ch *chain) step(ctx context.Context, c *host.Conn, i int, next host.Next) error {
	switch {
	case i == len(ch.handlers) && ch.rest != nil:
		return ch.rest.Handle(ctx, c, next)
	case i == len(ch.handlers):
		return next(ctx, c)
	case i == len(ch.handlers)-1 && ch.ends:
		return ch.handlers[i].Handle(ctx, c, next)
	}
	return ch.handlers[i].Handle(ctx, c, func(ctx context.Context, c *host.Conn) error {
		return ch.step(ctx, c, i+1, next)
	})
}

func (r *Route) title() string {
	at := r.Pos.String()
	switch {
	case r.Name == "":
		return at
	case at == "":
		return r.Name
	}
	return r.Name + " " + at
}
