package wasm

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// The heads that a window has room for, whatever the tree says: the default of
// max_head, and what waits of a session of datagrams.
const (
	minHead   = 16 << 10 // bytes
	datagrams = 64 << 10 // bytes
)

// Loaded are the plugins of one configuration, for one build of its graph.
type Loaded struct {
	Plugins []*Plugin // that were loaded, in the order of the file

	held     []*Plugin // that hold their modules until Release, shadows among them
	serving  Modules
	registry *host.Registry
	store    *host.Store
	warnings sdk.Errors
	builder  host.Builder // of the graph that is being built; nil before and if it is refused
}

// Load compiles the plugins that the global block of a tree declares, and makes
// their matchers known beside what r knows, which is not changed. What two
// configurations with one store have in common is compiled once.
//
// The error is [sdk.Errors], and the result is there also then: it knows the matchers
// of plugins that could not be loaded, so that a graph can be built to find what else
// is wrong. In any case the caller releases the result after the build.
func (h *Host) Load(tree []sdk.Node, r *host.Registry, store *host.Store) (*Loaded, error) {
	return h.Renew(tree, r, store, nil)
}

// Renew is Load of a tree that serves, because a watched file has changed. Plugins
// without watch stay what they are, also where their files have changed: serving is
// what [Loaded.Modules] said when the tree was loaded.
func (h *Host) Renew(tree []sdk.Node, r *host.Registry, store *host.Store, serving Modules) (*Loaded, error) {
	l := &Loaded{registry: r.Clone(), store: store, serving: serving}
	l.registry.Global(spec(), l.check)
	var errs sdk.Errors
	seen := map[string]sdk.Pos{}
	for _, n := range declared(tree) {
		name := n.Args[0].Text
		if first, twice := seen[name]; twice {
			errs = append(errs, sdk.Errorf(n.Pos, "plugin %s is declared twice: give this one another name, the first is at %s", name, first))
			continue
		}
		seen[name] = n.Pos
		l.plugin(h, tree, n, &errs)
	}
	return l, errs.Err()
}

// plugin loads one plugin.
func (l *Loaded) plugin(h *Host, tree []sdk.Node, n *sdk.Node, errs *sdk.Errors) {
	before := len(*errs)
	p := newPlugin(n, errs)
	if p == nil {
		return
	}
	for _, one := range []*Plugin{p, p.shadow} {
		if one != nil && len(*errs) == before {
			errs.Add(one.path, one.load(h, l.store, window(tree, p), l.serving))
			l.held = append(l.held, one)
		}
	}
	if len(*errs) > before {
		l.unknown(tree, p)
		return
	}
	l.Plugins = append(l.Plugins, p)
	errs.Add(n.Pos, l.register(tree, p))
}

// Registry knows the matchers of the plugins. Constructors in it belong to one build
// at a time.
func (l *Loaded) Registry() *host.Registry { return l.registry }

// Release lets go of the modules. A graph that was built holds its own.
func (l *Loaded) Release() {
	for _, p := range l.held {
		if p.key != "" {
			l.store.Drop(p.key)
			p.key = ""
		}
	}
}

// check is asked by every build, before it makes a matcher: the graph holds what it
// was built with.
func (l *Loaded) check(b host.Builder, _ []*sdk.Node) error {
	l.builder = b
	for _, w := range l.warnings {
		b.Warnf(w.Pos, "%s", w.Msg)
	}
	for _, p := range l.Plugins {
		if err := p.join(b); err != nil {
			return err
		}
	}
	return nil
}

var errReleased = errors.New("building with plugins that were released already")

// Names returns the names under which the global block of a tree declares plugins.
func Names(tree []sdk.Node) []string {
	var names []string
	for _, n := range declared(tree) {
		names = append(names, n.Args[0].Text)
	}
	return names
}

// declared returns the directives that name a plugin.
func declared(tree []sdk.Node) []*sdk.Node {
	if len(tree) == 0 || tree[0].Name != "" {
		return nil
	}
	return slices.DeleteFunc(tree[0].All(directive), func(n *sdk.Node) bool { return len(n.Args) == 0 })
}

// register makes the matchers of a plugin known.
func (l *Loaded) register(tree []sdk.Node, p *Plugin) error {
	names := p.names()
	known := func(name string) bool {
		return slices.ContainsFunc(l.registry.Matchers(), func(e host.MatcherEntry) bool { return e.Spec.Name == name })
	}
	if known(p.Name) {
		l.warnings = append(l.warnings, sdk.Errorf(p.pos, "the plugin %s stands for the built-in matcher of that name in this configuration: give it another name to have both", p.Name))
	}
	for i, name := range names {
		facts := p.Module.manifest.matcher(p.Module.matchers[i].name)
		s := matcherSpec(name, p.describe(facts))
		s.Facts = facts.specFacts()
		if facts != nil && facts.Facts == nil {
			facts = nil
		}
		l.registry.Matcher(s, func(n *sdk.Node) (sdk.Matcher, error) {
			return l.matcher(&Matcher{name: name, export: i, plugin: p, module: p.Module, facts: facts, late: later(n, facts)}, n)
		})
	}
	if !slices.Contains(names, p.Name) {
		l.registry.Matcher(matcherSpec(p.Name, "Is no matcher"), func(*sdk.Node) (sdk.Matcher, error) {
			return nil, fmt.Errorf("the plugin %s has no matcher of its own name: write %s", p.Name, strings.Join(names, " or "))
		})
	}
	return p.answers(tree)
}

// describe is the line of help for a matcher.
func (p *Plugin) describe(m *ManifestMatcher) string {
	if m != nil && m.Doc != "" {
		return strings.TrimSuffix(m.Doc, ".")
	}
	return "Asks the plugin " + p.Path
}

// matcherSpec lets a matcher take whatever its module understands.
func matcherSpec(name, doc string) sdk.Spec {
	line := sdk.Spec{Name: "OPTION", Doc: "What the plugin makes of it", Many: true, Args: []sdk.Arg{sdk.List("ARGUMENT", sdk.Free)}}
	line.Block = &sdk.Block{Line: &line}
	return sdk.Spec{
		Name: name, Doc: doc, Args: []sdk.Arg{sdk.List("ARGUMENT", sdk.Free)},
		Block: &sdk.Block{Line: &line},
	}
}

// unknown makes the matchers known that a tree takes from a plugin that is not there.
func (l *Loaded) unknown(tree []sdk.Node, p *Plugin) {
	each(tree, func(n *sdk.Node) {
		if p.owns(n.Name) {
			l.registry.Matcher(matcherSpec(n.Name, "Is not there"), func(n *sdk.Node) (sdk.Matcher, error) {
				return missing{n.Name}, nil
			})
		}
	})
}

// missing stands for a matcher of a plugin that could not be loaded, in a graph that
// is refused for that.
type missing struct{ name string }

func (m missing) Match(*sdk.Flow) (sdk.Verdict, error) {
	return sdk.No, &Error{Closed, "the plugin was not loaded"}
}

func (m missing) Sets() []string { return []string{m.name + ".*"} }

// matcher configures a matcher with its arguments. Equal ones are configured once,
// whatever graphs they are in.
func (l *Loaded) matcher(m *Matcher, n *sdk.Node) (sdk.Matcher, error) {
	block, at, err := tokens(n)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", m.name, err)
	case len(block)+abi.WindowTail > m.module.window:
		return nil, fmt.Errorf("%s: its arguments have %d bytes, and the plugin has room for %d", m.name, len(block), m.module.window-abi.WindowTail)
	case l.builder == nil:
		return missing{m.name}, nil // the directive of the plugin is refused
	case !m.module.matchers[m.export].init && len(at) > 0:
		return nil, sdk.Errorf(at[0], "%s takes no arguments", m.name)
	}
	key := m.module.key() + ", matcher " + strconv.Itoa(m.export) + ": " + string(block)
	v, err := l.builder.Share(key, func() (any, error) { return m.module.configure(m, block) })
	if r, ok := errors.AsType[refused](err); ok {
		return nil, rejections(m.name, r, n.Pos, at)
	}
	if err != nil {
		return nil, fmt.Errorf("configuring %s: %w", m.name, err)
	}
	m.config = v.(*configured)
	if m.plugin.shadow != nil {
		return m, l.follow(m, n)
	}
	return m, nil
}

// rejections places what a guest says of its arguments.
func rejections(name string, list refused, directive sdk.Pos, at []sdk.Pos) error {
	var errs sdk.Errors
	for _, r := range list {
		p := directive
		if r.token >= 0 && int(r.token) < len(at) {
			p = at[r.token]
		}
		errs = append(errs, sdk.Errorf(p, "%s: %s", name, r.text))
	}
	return errs.Err()
}

// window returns how many bytes of window a plugin needs: for the longest head that
// a server may ask for, and the longest arguments that it gets.
func window(tree []sdk.Node, p *Plugin) int {
	head, config := minHead, 0
	each(tree, func(n *sdk.Node) {
		if n.Name == "max_head" && len(n.Args) > 0 {
			if size, err := sdk.ParseSize(n.Args[0].Text); err == nil && size <= 1<<20 {
				head = max(head, int(size))
			}
		}
		if strings.HasPrefix(n.Name, "udp/") || slices.ContainsFunc(n.Args, func(w sdk.Word) bool { return strings.HasPrefix(w.Text, "udp/") }) {
			head = max(head, datagrams)
		}
		if p.owns(n.Name) {
			if block, _, err := tokens(n); err == nil {
				config = max(config, len(block))
			}
		}
	})
	return abi.WindowSize(head, config)
}

// each visits every node of a tree.
func each(tree []sdk.Node, visit func(*sdk.Node)) {
	for i := range tree {
		visit(&tree[i])
		each(tree[i].Block, visit)
	}
}
