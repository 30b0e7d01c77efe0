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

// enter notes that a connection is the route's.
func (r *Route) enter(c *host.Conn, l *list) {
	if !l.own && c.Record().Route == "" {
		c.Record().Route = r.title
	}
	c.Enter(host.InHandling)
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

// title is what the log calls a route.
func title(r *Route) string {
	at := r.Pos.String()
	switch {
	case r.Name == "":
		return at
	case at == "":
		return r.Name
	}
	return r.Name + " " + at
}

// Planner returns the one handler of a route that needs no goroutine: an event loop
// connects and relays. It is nil for all other routes.
func (r *Route) Planner() host.Planner { return r.planner }

// place chooses where the connections of a route live. A route whose handlers are
// one Planner, which never waits, needs no goroutine.
func (r *Route) place() {
	switch p, why := r.chain.planner(); {
	case why != "":
		r.path = "in a goroutine: " + why
	default:
		r.planner, r.path = p, "in an event loop"
	}
}

func (ch *chain) planner() (p host.Planner, why string) {
	for i, h := range ch.handlers {
		if _, ok := h.(host.Planner); !ok {
			return nil, ch.name(i) + " needs one"
		}
	}
	if len(ch.handlers) != 1 || !ch.ends {
		return nil, "it does not end with its only handler"
	}
	p, _ = ch.handlers[0].(host.Planner)
	if b, ok := p.(host.Blocker); ok && b.Blocks() != "" {
		return nil, b.Blocks()
	}
	return p, ""
}

// name is the directive of a handler.
func (ch *chain) name(i int) string {
	return strings.Fields(ch.texts[i])[0]
}
