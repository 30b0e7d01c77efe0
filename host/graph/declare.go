package graph

import (
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/sdk"
)

// globals lets the owners of global directives look at them: first those that declare
// matchers, so that the others can build with them.
func (b *builder) globals() {
	root := &scope{builder: b, known: map[string]bool{}}
	for _, e := range b.registry.Globals() {
		if ns := root.Global(e.Spec.Name); e.Spec.Declares && len(ns) > 0 {
			b.declare(&declaring{scope: root, grammar: b.words}, &e, ns)
		}
	}
	for _, e := range b.registry.Globals() {
		ns := root.Global(e.Spec.Name)
		if sound := b.sound(ns); e.Check != nil && len(ns) > 0 && len(sound) == len(ns) {
			b.make(ns[0].Pos, func() error { return e.Check(root, ns) })
		}
	}
}

// declare lets the owner of a directive make its matchers known. Where that cannot be
// done the names are known all the same, so that what else is wrong can be found.
func (b *builder) declare(d *declaring, e *host.GlobalEntry, ns []*sdk.Node) {
	before := len(b.errs)
	builtin := map[string]bool{}
	for _, e := range b.registry.Matchers() {
		builtin[e.Spec.Name] = true
	}
	if sound := b.sound(ns); e.Declare != nil && len(sound) > 0 {
		b.make(sound[0].Pos, func() error { return e.Declare(d, sound) })
	}
	failed := len(b.errs) > before || len(b.sound(ns)) < len(ns)
	for _, n := range ns {
		if len(n.Args) == 0 {
			continue
		}
		name := n.Args[0].Text
		if builtin[name] {
			b.warnf(n.Pos, "the %s %s stands for the built-in matcher of that name in this configuration: give it another name to have both", n.Name, name)
		}
		b.complete(d, name, failed)
	}
}

// complete looks at the matchers that are asked for under a declared name. One that
// nobody has made known is an error, unless there is one that explains it.
func (b *builder) complete(d *declaring, name string, failed bool) {
	for _, n := range d.Uses(name) {
		if d.made[n.Name] {
			continue
		}
		if !failed {
			b.errorf(n.Pos, "unknown matcher %q: %s", n.Name, d.hint(name))
		}
		d.Matcher(sdk.Spec{Name: n.Name}, nil)
		d.made[n.Name] = true
	}
}

// sound returns the directives that are not refused already.
func (b *builder) sound(ns []*sdk.Node) []*sdk.Node {
	var sound []*sdk.Node
	for _, n := range ns {
		if !b.faults.In(n) {
			sound = append(sound, n)
		}
	}
	return sound
}

// declaring is the [host.Declarer] of the global block.
type declaring struct {
	*scope
	grammar *sdk.Grammar
	made    map[string]bool // matchers of this configuration
	names   []string        // the same, in order
}

var _ host.Declarer = (*declaring)(nil)

// Matcher makes a matcher known in the configuration that is built.
func (d *declaring) Matcher(spec sdk.Spec, make func(host.Builder, *sdk.Node) (sdk.Matcher, error)) {
	if d.made == nil {
		d.made = map[string]bool{}
	}
	if make != nil {
		d.made[spec.Name] = true
		d.names = append(d.names, spec.Name)
	}
	d.registry.BuiltMatcher(spec, make)
}

// Uses returns the matchers of a declared name that the configuration asks for.
func (d *declaring) Uses(name string) []*sdk.Node {
	owner := sdk.Grammar{Declared: []string{name}}
	var uses []*sdk.Node
	for _, n := range schema.Matchers(d.source, d.grammar) {
		if owner.Owner(n.Name) != "" {
			uses = append(uses, n)
		}
	}
	return uses
}

// MaxHead is the longest head of any server.
func (d *declaring) MaxHead() int {
	longest := DefaultMaxHead
	for _, s := range d.servers {
		longest = max(longest, s.Limits.MaxHead)
	}
	return longest
}

// hint says which matchers of a declared name there are.
func (d *declaring) hint(name string) string {
	owner := sdk.Grammar{Declared: []string{name}}
	text := ""
	for _, made := range d.names {
		if owner.Owner(made) != "" {
			text += ", " + made
		}
	}
	if text == "" {
		return "leave it out"
	}
	return "there are " + text[2:]
}
