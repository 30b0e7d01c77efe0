package host

import (
	"context"
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
// spec accepts, with its placeholders {env.…} filled in. It may read the files that the
// node names; what it makes may be an [Actor] that follows them, and is then made once
// for all places of a configuration that write it alike.
type MatcherEntry struct {
	Spec sdk.Spec
	New  func(n *sdk.Node) (sdk.Matcher, error)
}

// HandlerEntry is a handler a configuration can name. New gets a node that the
// spec accepts. It may read files; it resolves no name, binds no socket, starts no
// goroutine and writes nothing.
type HandlerEntry struct {
	Spec sdk.Spec
	New  func(b Builder, n *sdk.Node) (Handler, error)
}

// GlobalEntry is a directive of the global block. Check, which may be nil, looks
// at all of them at once, whether or not anything uses them.
type GlobalEntry struct {
	Spec  sdk.Spec
	Check func(b Builder, ns []*sdk.Node) error
}

// Matcher registers a matcher.
func (r *Registry) Matcher(spec sdk.Spec, make func(*sdk.Node) (sdk.Matcher, error)) {
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
	r.globals = append(r.globals, GlobalEntry{spec, check})
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
	// connection holds it, and makes it if there is none. A new configuration that
	// names the same key finds the same value: counters, health, certificates.
	Share(key string, make func() (any, error)) (any, error)
	// Warnf adds a warning to the configuration's.
	Warnf(p sdk.Pos, format string, args ...any)
	// Errorf adds an error to the configuration's: nothing starts.
	Errorf(p sdk.Pos, format string, args ...any)
	// Reads tells that the handler reads a fact, by its full name, so that a
	// fact nobody supplies is found at load.
	Reads(p sdk.Pos, fact string)
	// Supplies tells that the connection has a fact from this handler on.
	Supplies(fact string)
}

// Routes are the routes of a subroute.
type Routes interface {
	Handler
	Ends() bool     // some route takes every connection and ends
	String() string // as validate prints it
}

// Chain is a built chain of handlers.
type Chain interface {
	Run(ctx context.Context, c Conn) error
	Ends() bool
	String() string
}

// Held is what a shared value also is when connections hold it beyond the life of
// the graph that named it.
type Held interface{ Held() bool }
