package graph

import (
	"fmt"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
)

// Options are what a build takes from outside the configuration.
type Options struct {
	Env      func(string) (string, bool) // environment, for {env.NAME} in address lists; nil: empty
	Store    *share.Store                // what graphs share; nil: this one shares with none
	Fallback host.Handler                // gets connections that no route of a server takes; nil: they are closed
}

// Build makes the graph of a tree. The error holds every fault at once, as
// [sdk.Errors]; then nothing was kept. A constructor that panics is a fault of its
// directive.
func Build(tree []sdk.Node, r *host.Registry, o Options) (g *Graph, err error) {
	if o.Store == nil {
		o.Store = new(share.Store)
	}
	b := &builder{
		registry: r.Clone(),
		fallback: o.Fallback,
		graph:    &Graph{lease: o.Store.Lease(), refs: 1, done: make(chan struct{})},
		words:    Grammar(r),
		source:   tree,
		acting:   map[string]sdk.Matcher{},
	}
	defer func() {
		if err != nil {
			b.graph.Release()
		}
	}()
	defer host.Contain(&b.at, &err)
	b.faults = schema.Check(tree, b.words, o.Env)
	b.errs = append(b.errs, b.faults.Errors...)
	b.warnings = append(b.warnings, b.faults.Warnings...)
	b.graph.Settings = Settings{GracePeriod: DefaultGracePeriod, CrowdV4: defaultCrowdV4, CrowdV6: defaultCrowdV6}
	b.tree(tree)
	b.overlaps()
	b.loops()
	if err := b.errs.Err(); err != nil {
		return nil, err
	}
	b.graph.actors = append(b.graph.actors, b.graph.lease)
	b.graph.Warnings, _ = b.warnings.Err().(sdk.Errors)
	return b.graph, nil
}

// builder collects a graph and all its faults.
type builder struct {
	registry *host.Registry // what the configuration declares included
	words    *sdk.Grammar   // before that
	source   []sdk.Node
	fallback host.Handler
	graph    *Graph
	faults   *schema.Faults // directives to leave alone: they are refused already
	global   *sdk.Node
	servers  []pending
	emptied  bool    // there is a layer4 block, with nothing in it
	at       sdk.Pos // the directive that is looked at
	errs     sdk.Errors
	warnings sdk.Errors
	edges    []edge                 // unconditional ways out of a server
	acting   map[string]sdk.Matcher // matchers that are actors, by how they are written
}

// pending is a server whose routes are not built yet.
type pending struct {
	*Server
	node     *sdk.Node
	inGlobal bool
}

func (b *builder) errorf(p sdk.Pos, format string, args ...any) {
	b.errs = append(b.errs, sdk.Errorf(p, format, args...))
}

func (b *builder) warnf(p sdk.Pos, format string, args ...any) {
	b.warnings = append(b.warnings, sdk.Errorf(p, format, args...))
}

// make calls a constructor. What it panics with is an error at p.
func (b *builder) make(p sdk.Pos, construct func() error) {
	b.at = p
	err := func() (err error) {
		defer host.Contain(&p, &err)
		return construct()
	}()
	b.errs.Add(p, err)
}

// tree builds a graph. What the servers demand of all parts is read first, then what
// the global options declare is made known, and the routes come last.
func (b *builder) tree(tree []sdk.Node) {
	if len(tree) > 0 && tree[0].Name == "" {
		b.global = &tree[0]
		b.at = b.global.Pos
		read(b, &b.graph.Settings, b.global, globalOptions())
		for _, n := range b.global.All("layer4") {
			b.layer4(n, true)
		}
	}
	for i := range tree {
		if tree[i].Name == "layer4" {
			b.layer4(&tree[i], false)
		}
	}
	b.globals()
	for _, s := range b.servers {
		b.routes(s)
	}
	if len(b.servers) == 0 && !b.emptied && len(b.errs) == 0 {
		b.errorf(sdk.Pos{}, "the configuration has no server: write layer4 { :443 { route { … } } }")
	}
}

func (b *builder) layer4(n *sdk.Node, inGlobal bool) {
	if len(n.Block) == 0 {
		b.emptied = true
		b.warnf(n.Pos, "nothing is served by this block: write a server into it, :443 { route { … } }")
	}
	for i := range n.Block {
		kid := &n.Block[i]
		if !schema.IsAddress(kid.Name) {
			continue // refused already
		}
		b.servers = append(b.servers, pending{b.server(kid), kid, inGlobal})
	}
}

// server reads the addresses and limits of a server.
func (b *builder) server(n *sdk.Node) *Server {
	b.at = n.Pos
	s := &Server{Pos: n.Pos, Limits: Limits{MatchingTimeout: DefaultMatchingTimeout, MaxHead: DefaultMaxHead}}
	read(b, &s.Limits, n, serverOptions())
	addresses := append([]sdk.Word{{Text: n.Name, Pos: n.Pos}}, n.Args...)
	for _, w := range addresses {
		if !schema.IsAddress(w.Text) {
			continue // refused already
		}
		ls, err := parseListen(w.Text, w.Pos)
		if err != nil {
			b.errs = append(b.errs, err)
			continue
		}
		s.Listeners = append(s.Listeners, ls...)
	}
	b.socketOwner(n, s)
	b.graph.Servers = append(b.graph.Servers, s)
	return s
}

// routes builds the routes of a server.
func (b *builder) routes(s pending) {
	sc := &scope{builder: b, server: s.Server, known: map[string]bool{}, inGlobal: s.inGlobal}
	rs := sc.routes(s.node, s.Limits, false)
	s.Server.routes = rs.routes
	(&passing{builder: b, server: s.Server}).list(rs, false)
	if rs.routes.Empty() {
		b.warnf(s.Pos, "%s has no route: it accepts connections and closes them", s.node.Name)
	}
}

// Release counts a user out. The last one drops what the graph shared. It never waits.
func (g *Graph) Release() {
	g.mu.Lock()
	g.refs--
	last := g.refs == 0
	g.mu.Unlock()
	if !last {
		return
	}
	g.lease.Release()
	close(g.done)
}

// Done is closed when the last user has released the graph.
func (g *Graph) Done() <-chan struct{} { return g.done }

// String prints the graph as validate shows it.
func (g *Graph) String() string {
	var b strings.Builder
	for _, s := range g.Servers {
		names := make([]string, len(s.Listeners))
		for i, l := range s.Listeners {
			names[i] = l.Name
		}
		fmt.Fprintf(&b, "server %s\n", strings.Join(names, " "))
		fmt.Fprintf(&b, "  matching_timeout %s\n", route.OrNone(s.Limits.MatchingTimeout))
		b.WriteString(route.Indent(s.routes.String(), "  "))
	}
	return b.String()
}
