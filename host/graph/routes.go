package graph

import (
	"fmt"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// routes builds the routes in the block of a server or subroute.
func (s *scope) routes(n *sdk.Node, limits Limits, own bool) *Routes {
	l := &list{own: own, limits: limits}
	sets := map[string]*sdk.Node{}
	used := map[string]bool{}
	for i := range n.Block {
		if kid := &n.Block[i]; strings.HasPrefix(kid.Name, "@") {
			sets[kid.Name] = kid
		}
	}
	c := &conditions{scope: s, list: l, sets: sets, byText: map[string]int{}}
	for _, r := range n.All(routeName) {
		for _, w := range r.Args {
			used[w.Text] = true
		}
		if len(r.Args) > 1 {
			s.warnf(r.Pos, "route %s takes what matches either set: to demand both, name their matchers in one set", texts(r.Args))
		}
		s.route(r, c)
	}
	for i := range n.Block {
		if kid := &n.Block[i]; sets[kid.Name] != nil && !used[kid.Name] {
			s.warnf(kid.Pos, "no route uses %s: name it on a route or leave it out", kid.Name)
			c.set(kid) // its faults count all the same
		}
	}
	return s.finish(c, n.Pos)
}

// finish makes routes of a list that is built.
func (s *scope) finish(c *conditions, p sdk.Pos) *Routes {
	l := c.list
	for i := range max(len(l.routes)-1, 0) {
		c.waits(&l.routes[i])
	}
	rs := &Routes{list: l}
	if s.fallback != nil && !l.own && !rs.Ends() {
		l.routes = append(l.routes, fallbackRoute(s.fallback, p))
	}
	l.continues()
	l.index()
	return rs
}

// fallbackRoute takes what no other route does.
func fallbackRoute(h host.Handler, p sdk.Pos) Route {
	name := "fallback"
	r := Route{Pos: p, title: &name, chain: chain{handlers: []host.Handler{h}, texts: []string{name}, ends: true}}
	r.place()
	return r
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
	s.at = n.Pos
	if before := c.list.last(); before != nil && before.cond.op == always && before.chain.ends {
		s.errorf(n.Pos, "this route is never reached, the one at %s takes every connection: move it before that one", before.Pos)
	}
	if len(n.Block) == 0 {
		s.warnf(n.Pos, "this route has no handler: connections go on to the routes behind it")
	}
	if len(n.Args) == 0 {
		c.uses = nil
		s.add(n, c, Route{Pos: n.Pos})
		return
	}
	for _, w := range n.Args {
		set := c.sets[w.Text]
		if set == nil {
			s.errorf(w.Pos, "%s is not defined in this block: %s", w.Text, c.hint(w.Text))
			continue
		}
		r := Route{Pos: n.Pos, Name: w.Text, cond: c.set(set)}
		r.cond.positive(func(inst int) { r.winners = append(r.winners, inst) })
		s.add(n, c, r)
	}
}

// add builds the handlers of a route for the facts it has there. What a route
// that does not end makes known, later routes may know.
func (s *scope) add(n *sdk.Node, c *conditions, r Route) {
	inner := s.with(c.supplied(r.winners))
	inner.closed = c.closed(inner.closed, r.winners)
	inner.plain = r.cond.op == always && (s.plain || !c.list.own)
	r.chain, r.title = *inner.handlers(n.Block), title(&r)
	s.way.add(inner.way)
	c.judge(way{inner.way.opens || !r.chain.ends, inner.way.shuts})
	if !c.list.own {
		r.place()
	}
	if !r.chain.ends {
		for name := range inner.known {
			s.known[name] = true
		}
	}
	c.list.routes = append(c.list.routes, r)
}

// handlers builds a chain.
func (s *scope) handlers(ns []sdk.Node) *chain {
	ch := &chain{}
	for i := range ns {
		n := &ns[i]
		if ch.ends {
			s.warnf(n.Pos, "%s is never reached: %s before it ends the connection", n.Name, ns[i-1].Name)
		}
		ended := ch.ends
		s.handler(n, ch)
		if ended {
			ch.handlers, ch.texts, ch.ends = ch.handlers[:len(ch.handlers)-1], ch.texts[:len(ch.texts)-1], true
		}
	}
	return ch
}

func (s *scope) handler(n *sdk.Node, ch *chain) {
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
	reached := !ch.ends
	for _, f := range e.Spec.Facts {
		s.known[n.Name+"."+f.Key] = true
	}
	ch.handlers = append(ch.handlers, h)
	ch.texts = append(ch.texts, s.handlerText(n, &e.Spec))
	ch.ends = e.Spec.Ends
	if t, ok := h.(host.Ender); ok {
		ch.ends = t.Ends()
	}
	if reached {
		s.leads(h, ch.ends)
	}
	if a, ok := h.(host.Actor); ok {
		s.graph.actors = append(s.graph.actors, a)
	}
	s.targets(n, h)
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

func (l *list) last() *Route {
	if len(l.routes) == 0 {
		return nil
	}
	return &l.routes[len(l.routes)-1]
}

// continues lets every chain that does not end go on with the routes behind it.
func (l *list) continues() {
	for i := range l.routes {
		if !l.routes[i].chain.ends && i+1 < len(l.routes) {
			l.routes[i].chain.rest = &Routes{list: l, from: i + 1}
		}
	}
}

// Ends reports whether some route takes every connection and ends.
func (rs *Routes) Ends() bool {
	last := rs.list.last()
	return last != nil && last.cond.op == always && last.chain.ends
}

// String prints a route a paragraph, in the order they are tried.
func (rs *Routes) String() string {
	var b strings.Builder
	for i := rs.from; i < len(rs.list.routes); i++ {
		r := &rs.list.routes[i]
		fmt.Fprintf(&b, "%d. %s", i+1, r.cond.text(rs.list.instances))
		if r.Name != "" {
			fmt.Fprintf(&b, "  (%s)", r.Name)
		}
		b.WriteByte('\n')
		b.WriteString(indent(r.chain.String(), "     "))
		if r.path != "" {
			b.WriteString(indent("runs "+r.path, "     "))
		}
		if !r.chain.ends {
			fmt.Fprintf(&b, "     then %s\n", rs.list.after(i))
		}
	}
	if !rs.Ends() {
		b.WriteString("otherwise " + rs.otherwise() + "\n")
	}
	return b.String()
}

func (l *list) after(i int) string {
	if i+1 < len(l.routes) {
		return fmt.Sprintf("the routes from %d on", i+2)
	}
	return "no further route"
}

func (rs *Routes) otherwise() string {
	if rs.list.own {
		return "the handler behind the subroute"
	}
	return "close"
}

// indent puts a prefix before every line and ends the last one.
func indent(text, prefix string) string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return ""
	}
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix) + "\n"
}

func handlerEntry(r *host.Registry, name string) host.HandlerEntry {
	for _, e := range r.Handlers() {
		if sdk.Find([]sdk.Spec{e.Spec}, name) != nil {
			return e
		}
	}
	return host.HandlerEntry{}
}
