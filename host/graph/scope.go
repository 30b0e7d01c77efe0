package graph

import (
	"maps"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// scope is what a constructor gets: the place in the configuration it builds for,
// with the facts that a connection has there. It is the [host.Builder].
type scope struct {
	*builder
	server   *Server
	known    map[string]bool // full names of facts; "x.*" is every fact of x
	closed   map[string]bool // facts of which every value is a name in the configuration
	nested   []*built        // built by Routes, of the handler that is built
	steps    []step          // the handlers of the chain that is built
	inner    way             // what becomes of connections in them
	way      way             // what becomes of connections in the chain or the routes that are built
	plain    bool            // no condition and no wrapping between the listener and here
	inGlobal bool            // in a layer4 inside the global block
	h2       bool            // TLS was terminated with h2 among the protocols on offer
	guarded  bool            // only clients of some addresses come here
	renamed  sdk.Pos         // of a handler before that lets any client name its address; zero: there is none
}

// with returns a scope that knows more without telling s.
func (s *scope) with(names []string) *scope {
	inner := *s
	inner.known, inner.closed = maps.Clone(s.known), maps.Clone(s.closed)
	inner.nested, inner.steps, inner.inner, inner.way = nil, nil, way{}, way{}
	for _, name := range names {
		inner.known[name] = true
	}
	return &inner
}

// Routes builds the routes of a subroute.
func (s *scope) Routes(n *sdk.Node) host.Routes {
	limits := s.server.Limits
	limits.MatchingTimeout = DefaultMatchingTimeout
	read(s.builder, &limits, n, phaseOptions())
	inner := s.with(nil)
	rs := inner.routes(n, limits, true)
	s.inner.add(inner.way)
	s.nested = append(s.nested, rs)
	return rs.routes
}

// Handlers builds a chain beside the route's own.
func (s *scope) Handlers(ns []sdk.Node) host.Chain { return s.with(nil).handlers(ns) }

// Global returns the directives of that name in the global block.
func (s *scope) Global(name string) []*sdk.Node {
	if s.global == nil {
		return nil
	}
	return s.global.All(name)
}

// Share returns the value that graphs share under key.
func (s *scope) Share(key string, make func() (any, error)) (any, error) {
	return s.graph.lease.Share(key, make)
}

// Warnf adds a warning.
func (s *scope) Warnf(p sdk.Pos, format string, args ...any) { s.warnf(p, format, args...) }

// Reads checks that somebody supplies a fact.
func (s *scope) Reads(p sdk.Pos, fact string) {
	if !knows(s.known, fact) {
		s.errorf(p, "nobody supplies {%s} here: %s", fact, factHint(s.known, fact))
	}
}

var (
	_ host.Builder     = (*scope)(nil)
	_ host.Placed      = (*scope)(nil)
	_ host.ClosedFacts = (*scope)(nil)
)

// InGlobal reports whether the handler stands in a layer4 inside the global block.
func (s *scope) InGlobal() bool { return s.inGlobal }

// Closed reports whether every value that a fact can have here is an exact name in the
// configuration.
func (s *scope) Closed(fact string) bool { return s.closed[fact] }

// Supplies makes a fact known from here on.
func (s *scope) Supplies(fact string) { s.known[fact] = true }

// edge is a way from a server to an address it connects to.
type edge struct {
	from *Server
	to   host.Target
	pos  sdk.Pos
	sure bool // every connection takes it
}

// loops refuses a server whose connections come back to it, as far as the text tells: such
// a loop would eat all descriptors within seconds, and is refused at run time as well.
func (b *builder) loops() {
	told := map[sdk.Pos]bool{} // localhost is two addresses and one fault
	for _, e := range b.edges {
		if told[e.pos] || !b.reaches(e, e.from, nil) {
			continue
		}
		told[e.pos] = true
		if e.sure {
			b.errorf(e.pos, "%s is one of our own listeners and leads back here, so that every connection would go round for ever: name the real upstream", e.to)
		} else {
			b.warnf(e.pos, "%s is one of our own listeners: a connection that this route takes again is refused then", e.to)
		}
	}
}

// reaches reports whether an edge leads to a server, over others that every
// connection takes.
func (b *builder) reaches(e edge, goal *Server, seen []*Server) bool {
	to := b.listening(e.to)
	if to == nil {
		return false
	}
	if to == goal {
		return true
	}
	for _, s := range seen {
		if s == to {
			return false
		}
	}
	for _, next := range b.edges {
		if next.from == to && next.sure && b.reaches(next, goal, append(seen, to)) {
			return true
		}
	}
	return false
}

func (b *builder) listening(a host.Target) *Server {
	for _, s := range b.graph.Servers {
		for i := range s.Listeners {
			if s.Listeners[i].Dials(a) {
				return s
			}
		}
	}
	return nil
}
