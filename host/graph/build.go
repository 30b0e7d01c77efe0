package graph

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/sdk"
)

// Options are what a build takes from outside the configuration.
type Options struct {
	Env   func(string) (string, bool) // environment, for {env.NAME} in address lists; nil: empty
	Store *host.Store                 // what graphs share; nil: this one shares with none
}

// Build makes the graph of a tree. The error holds every fault at once, as
// [sdk.Errors]; then nothing was kept.
func Build(tree []sdk.Node, r *host.Registry, o Options) (*Graph, error) {
	if o.Store == nil {
		o.Store = new(host.Store)
	}
	b := &builder{
		registry: r,
		graph:    &Graph{store: o.Store, refs: 1, done: make(chan struct{})},
		held:     map[string]any{},
		faults:   schema.Check(tree, Grammar(r), o.Env),
	}
	b.errs = append(b.errs, b.faults.Errors...)
	b.warnings = append(b.warnings, b.faults.Warnings...)
	b.graph.Settings = Settings{GracePeriod: DefaultGracePeriod}
	b.tree(tree)
	b.overlaps()
	b.loops()
	if err := b.errs.Err(); err != nil {
		b.graph.Release()
		return nil, err
	}
	b.graph.Warnings, _ = b.warnings.Err().(sdk.Errors)
	return b.graph, nil
}

// builder collects a graph and all its faults.
type builder struct {
	registry *host.Registry
	graph    *Graph
	faults   *schema.Faults // directives to leave alone: they are refused already
	global   *sdk.Node
	errs     sdk.Errors
	warnings sdk.Errors
	held     map[string]any // what this graph shares, by key
	edges    []edge         // unconditional ways out of a server
}

func (b *builder) errorf(p sdk.Pos, format string, args ...any) {
	b.errs = append(b.errs, sdk.Errorf(p, format, args...))
}

func (b *builder) warnf(p sdk.Pos, format string, args ...any) {
	b.warnings = append(b.warnings, sdk.Errorf(p, format, args...))
}

func (b *builder) tree(tree []sdk.Node) {
	if len(tree) > 0 && tree[0].Name == "" {
		b.global = &tree[0]
		b.settings()
	}
	b.globals()
	if b.global != nil {
		for _, n := range b.global.All("layer4") {
			b.layer4(n, true)
		}
	}
	for i := range tree {
		if tree[i].Name == "layer4" {
			b.layer4(&tree[i], false)
		}
	}
	if len(b.graph.Servers) == 0 && len(b.errs) == 0 {
		b.errorf(sdk.Pos{}, "the configuration has no server: write layer4 { :443 { route { … } } }")
	}
}

func (b *builder) settings() {
	s := &b.graph.Settings
	s.GracePeriod = b.duration(b.global, "grace_period", s.GracePeriod)
	s.ReloadDrain = b.duration(b.global, "reload_drain", s.ReloadDrain)
}

// globals lets the owners of global directives look at them.
func (b *builder) globals() {
	root := &scope{builder: b, known: map[string]bool{}}
	for _, e := range b.registry.Globals() {
		ns := root.Global(e.Spec.Name)
		if e.Check == nil || len(ns) == 0 || slices.ContainsFunc(ns, b.faults.In) {
			continue
		}
		b.errs.Add(ns[0].Pos, e.Check(root, ns))
	}
}

func (b *builder) layer4(n *sdk.Node, inGlobal bool) {
	for i := range n.Block {
		kid := &n.Block[i]
		if !schema.IsAddress(kid.Name) {
			continue // refused already
		}
		b.server(kid, inGlobal)
	}
}

func (b *builder) server(n *sdk.Node, inGlobal bool) {
	s := &Server{Pos: n.Pos, Limits: b.limits(n)}
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
	sc := &scope{builder: b, server: s, known: map[string]bool{}, inGlobal: inGlobal}
	s.routes = sc.routes(n, s.Limits, false)
	if len(s.routes.list.routes) == 0 {
		b.warnf(n.Pos, "%s has no route: it accepts connections and closes them", n.Name)
	}
	b.graph.Servers = append(b.graph.Servers, s)
}

func (b *builder) limits(n *sdk.Node) Limits {
	l := Limits{MatchingTimeout: b.duration(n, "matching_timeout", DefaultMatchingTimeout), MaxHead: DefaultMaxHead}
	if o := b.find(n, "max_head"); o != nil {
		size, _ := sdk.ParseSize(o.Args[0].Text)
		if size < minHead || size > maxHead {
			b.errorf(o.Args[0].Pos, "max_head %s is out of bounds: write %d to %dKiB", o.Args[0].Text, minHead, maxHead>>10)
		}
		l.MaxHead = int(size)
	}
	l.MaxConnections = b.count(n, "max_connections")
	l.MaxConnectionsPerIP = b.count(n, "max_connections_per_ip")
	l.MaxMatching = b.count(n, "max_matching")
	return l
}

// count reads an option that is a positive number; 0 means it was not given, or
// is off.
func (b *builder) count(n *sdk.Node, name string) int {
	o := b.find(n, name)
	if o == nil || strings.EqualFold(o.Args[0].Text, "off") {
		return 0
	}
	v, _ := sdk.ParseInt(o.Args[0].Text)
	if v == 0 {
		b.errorf(o.Args[0].Pos, "%s 0 would take no connection: write a positive number", name)
	}
	return v
}

// find returns an option that is not refused already, or nil.
func (b *builder) find(n *sdk.Node, name string) *sdk.Node {
	if o := n.Find(name); o != nil && !b.faults.In(o) {
		return o
	}
	return nil
}

// duration reads an option; off is 0.
func (b *builder) duration(n *sdk.Node, name string, otherwise time.Duration) time.Duration {
	o := b.find(n, name)
	if o == nil {
		return otherwise
	}
	if strings.EqualFold(o.Args[0].Text, "off") {
		return 0
	}
	d, _ := sdk.ParseDuration(o.Args[0].Text)
	return d
}

// Release counts a user out. The last one drops what the graph shared.
func (g *Graph) Release() {
	g.mu.Lock()
	g.refs--
	last := g.refs == 0
	g.mu.Unlock()
	if !last {
		return
	}
	for _, key := range g.keys {
		g.store.Drop(key)
	}
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
		fmt.Fprintf(&b, "  matching_timeout %s\n", orNone(s.Limits.MatchingTimeout))
		b.WriteString(indent(s.routes.String(), "  "))
	}
	return b.String()
}

func orNone(d time.Duration) string {
	if d == 0 {
		return "off"
	}
	return d.String()
}
