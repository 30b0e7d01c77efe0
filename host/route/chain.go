package route

import (
	"context"
	"strings"

	"dwaar.dev/dwaar/host"
)

// Chain is the handlers of a route, in order. A chain that does not end continues
// with the routes after its own.
type Chain struct {
	links []link
	texts []string // the handlers as validate prints them
	ends  bool     // the last handler ends the connection
	rest  *Routes  // tried after the last handler; nil: the caller's next is called instead
}

// link is one handler of a chain. At most one of the fields beside it is not nil; all are
// where the handler needs a goroutine.
type link struct {
	handler host.Handler
	step    host.Stepper
	plan    host.Planner // which never waits, and ends the chain
	routes  *Routes      // that are the handler
}

// newLink says what a handler is to an event loop.
func newLink(h host.Handler, ends bool) link {
	l := link{handler: h}
	switch h := h.(type) {
	case host.Stepper:
		l.step = h
	case host.Planner:
		if ends && blocks(h) == "" {
			l.plan = h
		}
	case host.Router:
		l.routes, _ = h.Routes().(*Routes)
	}
	return l
}

// blocks returns why a planner needs a goroutine; "": it does not.
func blocks(p host.Planner) string {
	if b, ok := p.(host.Blocker); ok {
		return b.Blocks()
	}
	return ""
}

// Add appends a handler, which validate prints as text. ends says that it ends the
// connection: it is the last one.
func (ch *Chain) Add(h host.Handler, text string, ends bool) {
	ch.links, ch.texts, ch.ends = append(ch.links, newLink(h, ends)), append(ch.texts, text), ends
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
	case i == len(ch.links) && ch.rest != nil:
		return ch.rest.Handle(ctx, c, next)
	case i == len(ch.links):
		return next(ctx, c)
	case i == len(ch.links)-1 && ch.ends:
		return ch.links[i].handler.Handle(ctx, c, next)
	}
	return ch.links[i].handler.Handle(ctx, c, func(ctx context.Context, c host.Conn) error {
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

// Where handlers run, as validate prints it.
const (
	inLoop      = "in an event loop"
	inGoroutine = "in a goroutine"
)

// place decides where validate says that the handlers of a route run. A deny needs no
// goroutine.
func (r *Route) place() {
	r.path = inLoop
	if !r.TurnsAway() {
		r.path = r.Chain.where()
	}
}

// where says which handlers of a chain run in an event loop, and why the others do not.
func (ch *Chain) where() string {
	inner := ""
	for i := range ch.links {
		l := &ch.links[i]
		switch {
		case l.routes != nil:
			inner = ", as far as the routes of " + ch.directive(i) + " do"
		case l.step == nil && l.plan == nil && i == 0:
			return inGoroutine + ": " + ch.needs(i)
		case l.step == nil && l.plan == nil:
			return inLoop + inner + ", and from " + ch.directive(i) + " on " + inGoroutine + ": " + ch.needs(i)
		}
	}
	return inLoop + inner
}

// needs says why handler i needs a goroutine.
func (ch *Chain) needs(i int) string {
	if p, ok := ch.links[i].handler.(host.Planner); ok {
		if why := blocks(p); why != "" {
			return why
		}
		return "it does not end with " + ch.directive(i)
	}
	return ch.directive(i) + " needs one"
}

// directive returns the name of handler i.
func (ch *Chain) directive(i int) string {
	return strings.Fields(ch.texts[i])[0]
}
