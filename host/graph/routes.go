package graph

import (
	"cmp"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// routes builds the routes in the block of a server or subroute.
func (s *scope) routes(n *sdk.Node, limits Limits, own bool) *built {
	l := &route.List{Own: own, Timeout: limits.MatchingTimeout}
	sets := map[string]*sdk.Node{}
	for i := range n.Block {
		if kid := &n.Block[i]; strings.HasPrefix(kid.Name, "@") {
			sets[kid.Name] = kid
		}
	}
	c := &conditions{scope: s, built: built{list: l}, sets: sets, byText: map[string]int{}}
	used := s.rules(n, c)
	for i := range n.Block {
		if kid := &n.Block[i]; sets[kid.Name] != nil && !used[kid.Name] {
			s.warnf(kid.Pos, "no route uses %s: name it on a route or leave it out", kid.Name)
			c.set(kid) // its faults count all the same
		}
	}
	return s.finish(c, n.Pos)
}

// rules builds the routes and denials in a block, in order, and returns the sets that they
// name.
func (s *scope) rules(n *sdk.Node, c *conditions) (used map[string]bool) {
	used = map[string]bool{}
	for i := range n.Block {
		kid := &n.Block[i]
		switch kid.Name {
		case routeName:
			if len(kid.Args) > 1 {
				s.warnf(kid.Pos, "route %s takes what matches either set: to demand both, name their matchers in one set", texts(kid.Args))
			}
			s.route(kid, c)
		case denyName:
			s.denials(kid, c)
		default:
			continue
		}
		for _, w := range kid.Args {
			used[w.Text] = true
		}
	}
	return used
}

// finish makes routes of a list that is built.
func (s *scope) finish(c *conditions, p sdk.Pos) *built {
	l := c.list
	for i := range max(len(l.Routes)-1, 0) {
		c.waits(&l.Routes[i])
	}
	c.see()
	if s.fallback != nil && !l.Own && !l.Ends() {
		r := route.Route{Pos: p, Fallback: true}
		r.Chain.Add(s.fallback, "fallback", true)
		c.append(r, fate{way: way{opens: true}})
	}
	return c.done()
}

func texts(ws []sdk.Word) string {
	all := make([]string, len(ws))
	for i, w := range ws {
		all[i] = w.Text
	}
	return strings.Join(all, " ")
}

// route builds one route for each set it names, or one without conditions.
func (s *scope) route(n *sdk.Node, c *conditions) {
	s.reachable(n, c.list)
	if len(n.Block) == 0 {
		s.warnf(n.Pos, "this route has no handler: connections go on to the routes behind it")
	}
	if len(n.Args) == 0 {
		c.uses = nil
		s.add(n, c, route.Route{Pos: n.Pos})
		return
	}
	s.named(n.Args, c, n.Pos, func(r route.Route) { s.add(n, c, r) })
}

// reachable refuses a route or a deny behind a route that takes every connection.
func (s *scope) reachable(n *sdk.Node, l *route.List) {
	s.at = n.Pos
	if before := l.Last(); before != nil && before.Ends() {
		s.errorf(n.Pos, "this %s is never reached, the route at %s takes every connection: move it before that one", n.Name, before.Pos)
	}
}

// named calls add with a route for each of the sets that words name, of the directive at p.
func (s *scope) named(words []sdk.Word, c *conditions, p sdk.Pos, add func(route.Route)) {
	for _, w := range words {
		set := c.sets[w.Text]
		if !strings.HasPrefix(w.Text, "@") {
			continue // refused already
		}
		if set == nil {
			s.errorf(w.Pos, "%s is not defined in this block: %s", w.Text, c.hint(w.Text))
			continue
		}
		add(route.Route{Pos: p, Name: w.Text, Cond: c.set(set)})
	}
}

// add builds the handlers of a route for the facts it has there. What a route
// that does not end makes known, later routes may know.
func (s *scope) add(n *sdk.Node, c *conditions, r route.Route) {
	winners := r.Cond.Winners()
	inner := s.with(c.supplied(winners))
	inner.closed = c.closed(inner.closed, winners)
	inner.plain = r.Cond.Op == route.Always && (s.plain || !c.list.Own)
	inner.guarded = s.guarded || c.guards(winners)
	r.Chain = *inner.handlers(n.Block)
	s.way.add(inner.way)
	c.judge(way{inner.way.opens || !r.Chain.Ends(), inner.way.shuts})
	if !r.Chain.Ends() {
		for name := range inner.known {
			s.known[name] = true
		}
		s.renamed = cmp.Or(s.renamed, inner.renamed)
	}
	c.append(r, fate{inner.way, inner.steps})
}

// handlers builds a chain.
func (s *scope) handlers(ns []sdk.Node) *route.Chain {
	ch := &route.Chain{}
	for i := range ns {
		n := &ns[i]
		if !ch.Ends() {
			s.handler(n, ch)
			continue
		}
		s.warnf(n.Pos, "%s is never reached: %s before it ends the connection", n.Name, ns[i-1].Name)
		s.handler(n, nil)
	}
	return ch
}

// handler builds a handler and adds it to a chain; nil: none reaches the handler.
func (s *scope) handler(n *sdk.Node, ch *route.Chain) {
	e := handlerEntry(s.registry, n.Name)
	s.nested, s.inner = nil, way{}
	var h host.Handler
	if e.New != nil && !s.faults.In(n) {
		s.make(n.Pos, func() (err error) {
			if h, err = e.New(s, n); err != nil {
				h = nil // whatever it is
			}
			return err
		})
	}
	for _, f := range e.Spec.Facts {
		s.known[n.Name+"."+f.Key] = true
	}
	ends := e.Spec.Ends
	if t, ok := h.(host.Ender); ok {
		ends = t.Ends()
	}
	if ch != nil {
		ch.Add(h, s.handlerText(n, &e.Spec), ends)
		s.leads(h, ends)
		s.steps = append(s.steps, step{turnsAway(h), s.nested})
	}
	if a, ok := h.(host.Actor); ok {
		s.graph.actors = append(s.graph.actors, a)
	}
	s.targets(n, h)
	s.changes(n, h)
}

// changes notes what a handler changes of the connections that it hands on.
func (s *scope) changes(n *sdk.Node, h host.Handler) {
	if r, ok := h.(host.Renamer); ok && r.Believes() && !s.guarded {
		s.renamed = n.Pos
	}
	if o, ok := h.(host.Offerer); ok {
		s.h2, s.plain = o.Offers("h2"), false
	}
}

// targets notes where a handler connects to.
func (s *scope) targets(n *sdk.Node, h host.Handler) {
	t, ok := h.(host.Targeter)
	if !ok || s.server == nil {
		return
	}
	for _, to := range t.Targets() {
		s.edges = append(s.edges, edge{s.server, to, n.Pos, s.plain})
	}
}

func handlerEntry(r *host.Registry, name string) host.HandlerEntry {
	for _, e := range r.Handlers() {
		if sdk.Find([]sdk.Spec{e.Spec}, name) != nil {
			return e
		}
	}
	return host.HandlerEntry{}
}
