package host

import (
	"context"
	"fmt"
	"slices"

	"dwaar.dev/dwaar/sdk"
)

// Registry is what a configuration can name: matchers, handlers and global
// options, each with its description and its constructor. The zero value is
// empty. Registering a name again replaces it.
type Registry struct {
	matchers []MatcherEntry
	handlers []HandlerEntry
	globals  []GlobalEntry
}

// MatcherEntry is a matcher a configuration can name. New gets a node that the
// spec accepts, with its placeholders {env.…} filled in. New may read the files that the
// node names. The matcher may be an [Actor] that follows those files; such a matcher is
// made once for all places of a configuration that write it alike.
type MatcherEntry struct {
	Spec sdk.Spec
	New  func(b Builder, n *sdk.Node) (sdk.Matcher, error)
}

// HandlerEntry is a handler a configuration can name. New gets a node that the
// spec accepts. New may read files; New resolves no name, binds no socket, starts no
// goroutine and writes nothing.
type HandlerEntry struct {
	Spec sdk.Spec
	New  func(b Builder, n *sdk.Node) (Handler, error)
}

// GlobalEntry is a directive of the global block. Check looks at all of them at
// once, whether or not anything uses them. Declare is for a directive that declares
// matchers, as its spec tells: Declare gets the nodes that the spec accepts, before any
// matcher is made, and makes the matchers known. Both may be nil.
type GlobalEntry struct {
	Spec    sdk.Spec
	Check   func(b Builder, ns []*sdk.Node) error
	Declare func(d Declarer, ns []*sdk.Node) error
}

// Matcher registers a matcher that is made of its node alone.
func (r *Registry) Matcher(spec sdk.Spec, make func(*sdk.Node) (sdk.Matcher, error)) {
	if make == nil {
		r.BuiltMatcher(spec, nil)
		return
	}
	r.BuiltMatcher(spec, func(_ Builder, n *sdk.Node) (sdk.Matcher, error) { return make(n) })
}

// BuiltMatcher registers a matcher whose constructor needs the Builder. A matcher
// without a constructor is known to checks and to help, and its use is an error.
func (r *Registry) BuiltMatcher(spec sdk.Spec, make func(Builder, *sdk.Node) (sdk.Matcher, error)) {
	r.matchers = slices.DeleteFunc(r.matchers, func(e MatcherEntry) bool { return e.Spec.Name == spec.Name })
	r.matchers = append(r.matchers, MatcherEntry{spec, make})
}

// Handler registers a handler.
func (r *Registry) Handler(spec sdk.Spec, make func(Builder, *sdk.Node) (Handler, error)) {
	r.handlers = slices.DeleteFunc(r.handlers, func(e HandlerEntry) bool { return e.Spec.Name == spec.Name })
	r.handlers = append(r.handlers, HandlerEntry{spec, make})
}

// Global registers a directive of the global block.
func (r *Registry) Global(spec sdk.Spec, check func(Builder, []*sdk.Node) error) {
	r.globals = slices.DeleteFunc(r.globals, func(e GlobalEntry) bool { return e.Spec.Name == spec.Name })
	r.globals = append(r.globals, GlobalEntry{Spec: spec, Check: check})
}

// Declare registers a directive of the global block that declares matchers.
func (r *Registry) Declare(spec sdk.Spec, declare func(Declarer, []*sdk.Node) error) {
	spec.Declares = true
	r.Global(spec, nil)
	r.globals[len(r.globals)-1].Declare = declare
}

// Clone returns a registry that can be added to without changing r.
func (r *Registry) Clone() *Registry {
	return &Registry{slices.Clone(r.matchers), slices.Clone(r.handlers), slices.Clone(r.globals)}
}

// Matchers returns the registered matchers in the order they were registered.
func (r *Registry) Matchers() []MatcherEntry { return r.matchers }

// Handlers returns the registered handlers in the order they were registered.
func (r *Registry) Handlers() []HandlerEntry { return r.handlers }

// Globals returns the registered global directives.
func (r *Registry) Globals() []GlobalEntry { return r.globals }

// Builder is what a constructor gets beside its node.
type Builder interface {
	// Routes builds a set of routes: the block of a subroute. The handler passes
	// connections that no route took to its next.
	Routes(n *sdk.Node) Routes
	// Handlers builds a chain of handlers: the block of a tee.
	Handlers(ns []sdk.Node) Chain
	// Global returns the directives of that name in the global block.
	Global(name string) []*sdk.Node
	// Share returns the value that is kept under key as long as a graph or a
	// connection holds the value, and makes the value if there is none. A new
	// configuration that names the same key finds the same value: counters, health,
	// certificates. Call the function [Share], which knows the type. A value that is an
	// [Actor] runs while a configuration that holds it serves, and one that is an
	// [io.Closer] is closed when nobody holds it any more.
	Share(key string, make func() (any, error)) (any, error)
	// Warnf adds a warning to the configuration's.
	Warnf(p sdk.Pos, format string, args ...any)
	// Reads declares that the handler reads a fact, by its full name, so that a fact
	// nobody supplies is found at load.
	Reads(p sdk.Pos, fact string)
	// Supplies declares that the connection has a fact from this handler on.
	Supplies(fact string)
}

// Share is [Builder.Share] for values of one type. Two parts that use one key for
// values of different types get an error.
func Share[T any](b Builder, key string, make func() (T, error)) (T, error) {
	v, err := b.Share(key, func() (any, error) { return make() })
	if err != nil {
		var none T
		return none, err
	}
	shared, ok := v.(T)
	if !ok {
		return shared, fmt.Errorf("sharing %q: what is kept is a %T, and a %T was asked for", key, v, shared)
	}
	return shared, nil
}

// Declarer is the Builder that a declaring directive of the global block gets.
type Declarer interface {
	Builder
	// Matcher makes a matcher known in this configuration alone, in the place of a
	// builtin of that name.
	Matcher(spec sdk.Spec, make func(Builder, *sdk.Node) (sdk.Matcher, error))
	// Uses returns the matchers of a declared name, NAME and NAME.…, that the
	// configuration asks for.
	Uses(name string) []*sdk.Node
	// MaxHead is how many first bytes of a connection a matcher of this configuration
	// may be shown at most.
	MaxHead() int
}

// Routes are the routes of a subroute.
type Routes interface {
	Handler
	Ender
	String() string // as validate prints it
}

// Chain is a built chain of handlers.
type Chain interface {
	Run(ctx context.Context, c Conn) error
	Ender
	String() string
}
