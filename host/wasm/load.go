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

// The heads that a window has room for: at least the default of max_head, and for
// tools what waits of a session of datagrams.
const (
	minHead   = 16 << 10 // bytes
	datagrams = 64 << 10 // bytes
)

// Loaded are the plugins of one configuration. It belongs to one build of a graph:
//
//	l := host.Loading(nil)
//	l.Register(registry)                          // makes the directive plugin known
//	g, err := graph.Build(tree, registry, o)      // loads what the tree declares
//	l.Plugins()
type Loaded struct {
	host    *Host
	serving Modules
	plugins []*Plugin
}

// Loading returns what loads the plugins of a configuration when its graph is built.
// What two configurations with one store have in common is compiled once.
//
// serving is nil, or what [Loaded.Modules] said of the configuration that is loaded
// again because a watched file has changed: plugins without watch stay what they are
// then, also where their files have changed.
func (h *Host) Loading(serving Modules) *Loaded {
	return &Loaded{host: h, serving: serving}
}

// Register makes the directive known to a registry.
func (l *Loaded) Register(r *host.Registry) { r.Declare(spec(), l.declare) }

// Plugins returns what was loaded, in the order of the file.
func (l *Loaded) Plugins() []*Plugin { return l.plugins }

// Register makes the directive known without what loads plugins, so that a
// configuration can be read and its help printed. In one that is built it is an error.
func Register(r *host.Registry) {
	r.Declare(spec(), func(host.Declarer, []*sdk.Node) error {
		return errors.New("this program loads no plugins: leave the directive out")
	})
}

// declare loads the plugins of a configuration.
func (l *Loaded) declare(d host.Declarer, ns []*sdk.Node) error {
	var errs sdk.Errors
	seen := map[string]sdk.Pos{}
	for _, n := range ns {
		name := n.Args[0].Text
		if first, twice := seen[name]; twice {
			errs = append(errs, sdk.Errorf(n.Pos, "plugin %s is declared twice: give this one another name, the first is at %s", name, first))
			continue
		}
		seen[name] = n.Pos
		p, err := newPlugin(n)
		errs.Add(n.Pos, err)
		if err == nil {
			errs.Add(n.Pos, l.plugin(d, p))
		}
	}
	return errs.Err()
}

// plugin loads one plugin, with its shadow, and makes its matchers known.
func (l *Loaded) plugin(d host.Declarer, p *Plugin) error {
	for _, one := range []*Plugin{p, p.shadow} {
		if one == nil {
			continue
		}
		if err := one.load(l, d, window(d, p)); err != nil {
			var errs sdk.Errors
			errs.Add(one.path, err)
			return errs
		}
	}
	if err := p.join(d); err != nil {
		return err
	}
	l.plugins = append(l.plugins, p)
	p.register(d)
	return nil
}

// register makes the matchers of a plugin known.
func (p *Plugin) register(d host.Declarer) {
	names := p.names()
	for i, name := range names {
		facts := p.Module.manifest.matcher(p.Module.matchers[i].name)
		s := sdk.Spec{Name: name, Doc: p.describe(facts), Facts: facts.specFacts()}
		if facts != nil && facts.Facts == nil {
			facts = nil
		}
		d.Matcher(s, func(b host.Builder, n *sdk.Node) (sdk.Matcher, error) {
			return matcher(b, &Matcher{name: name, export: i, plugin: p, module: p.Module, facts: facts, late: later(n, facts)}, n)
		})
	}
	if !slices.Contains(names, p.Name) {
		d.Matcher(sdk.Spec{Name: p.Name, Doc: "Is no matcher"}, func(host.Builder, *sdk.Node) (sdk.Matcher, error) {
			return nil, fmt.Errorf("the plugin %s has no matcher of its own name: write %s", p.Name, strings.Join(names, " or "))
		})
	}
}

// describe is the line of help for a matcher.
func (p *Plugin) describe(m *ManifestMatcher) string {
	if m != nil && m.Doc != "" {
		return strings.TrimSuffix(m.Doc, ".")
	}
	return "Asks the plugin " + p.Path
}

// matcher configures a matcher with its arguments. Equal ones are configured once,
// whatever graphs they are in.
func matcher(b host.Builder, m *Matcher, n *sdk.Node) (sdk.Matcher, error) {
	block, at, err := tokens(n)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", m.name, err)
	case len(block)+abi.WindowTail > m.module.window:
		return nil, fmt.Errorf("%s: its arguments have %d bytes, and the plugin has room for %d", m.name, len(block), m.module.window-abi.WindowTail)
	case !m.module.matchers[m.export].init && len(at) > 0:
		return nil, sdk.Errorf(at[0], "%s takes no arguments", m.name)
	}
	key := m.module.key() + ", matcher " + strconv.Itoa(m.export) + ": " + string(block)
	m.config, err = host.Share(b, key, func() (*configured, error) { return m.module.configure(m, block) })
	if r, ok := errors.AsType[refused](err); ok {
		return m, rejections(m.name, r, n.Pos, at)
	}
	if err != nil {
		return nil, fmt.Errorf("configuring %s: %w", m.name, err)
	}
	if m.plugin.shadow != nil {
		return m, m.follow(b, n)
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
// its matchers may be shown, and the longest arguments that one of them gets.
func window(d host.Declarer, p *Plugin) int {
	config := 0
	for _, n := range d.Uses(p.Name) {
		if block, _, err := tokens(n); err == nil {
			config = max(config, len(block))
		}
	}
	return abi.WindowSize(max(minHead, d.MaxHead()), config)
}
