package route

import (
	"context"
	"strings"

	"dwaar.dev/dwaar/host"
)

// Chain is the handlers of a route, in order. A chain that does not end continues
// with the routes after its own.
type Chain struct {
	handlers []host.Handler
	texts    []string // the handlers as validate prints them
	ends     bool     // the last handler ends the connection
	rest     *Routes  // tried after the last handler; nil: the caller's next is called instead
}

// Add appends a handler, which validate prints as text. ends says that it ends the
// connection: it is the last one.
func (ch *Chain) Add(h host.Handler, text string, ends bool) {
	ch.handlers, ch.texts, ch.ends = append(ch.handlers, h), append(ch.texts, text), ends
}

// Run runs the handlers of the route. next is called where they do not end and no later
// route takes the connection.
func (r *Route) Run(ctx context.Context, c host.Conn, next host.Next) error {
	return r.Chain.step(ctx, c, 0, next)
}

// Title returns the name of the route in the log. The string refers to nothing else of
// the graph.
func (r *Route) Title() *string { return r.title }

// Run runs the handlers of a branch, a chain that belongs to no route.
func (ch *Chain) Run(ctx context.Context, c host.Conn) error {
	return ch.step(ctx, c, 0, func(context.Context, host.Conn) error { return nil })
}

// Ends reports whether the last handler ends the connection.
func (ch *Chain) Ends() bool { return ch.ends }

// String prints one handler a line.
func (ch *Chain) String() string { return strings.Join(ch.texts, "\n") }

// step runs handler i and, by its next, those behind it.
func (ch *Chain) step(ctx context.Context, c host.Conn, i int, next host.Next) error {
	switch {
	case i == len(ch.handlers) && ch.rest != nil:
		return ch.rest.Handle(ctx, c, next)
	case i == len(ch.handlers):
		return next(ctx, c)
	case i == len(ch.handlers)-1 && ch.ends:
		return ch.handlers[i].Handle(ctx, c, next)
	}
	return ch.handlers[i].Handle(ctx, c, func(ctx context.Context, c host.Conn) error {
		return ch.step(ctx, c, i+1, next)
	})
}

// name sets the name of the route in the log.
func (r *Route) name() {
	at := r.Pos.String()
	text := r.Name + " " + at
	switch {
	case r.Fallback:
		text = "fallback"
	case r.Name == "":
		text = at
	case at == "":
		text = r.Name
	}
	r.title = &text
}

// Planner returns the only handler of a route that needs no goroutine, so that a
// session can connect in an event loop; nil for all other routes.
func (r *Route) Planner() host.Planner { return r.planner }

// inLoop is where routes run that need no goroutine, as validate prints it.
const inLoop = "in an event loop"

// place decides whether the handlers of a route need a goroutine. A deny, and a route
// whose only handler is a Planner that never waits, need none.
func (r *Route) place() {
	if r.TurnsAway() {
		r.path = inLoop
		return
	}
	switch p, why := r.Chain.planner(); {
	case why != "":
		r.path = "in a goroutine: " + why
	default:
		r.planner, r.path = p, inLoop
	}
}

// planner returns the Planner that is the whole chain, or why the chain needs a
// goroutine, as validate prints that.
func (ch *Chain) planner() (p host.Planner, why string) {
	for i, h := range ch.handlers {
		if _, ok := h.(host.Planner); !ok {
			return nil, ch.directive(i) + " needs one"
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

// directive returns the name of handler i.
func (ch *Chain) directive(i int) string {
	return strings.Fields(ch.texts[i])[0]
}
