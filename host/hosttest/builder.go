package hosttest

import (
	"context"
	"slices"
	"sync"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Builder is a [host.Builder] that keeps what constructors tell it. The zero value
// is ready. Builders with one Store are configurations that follow each other.
type Builder struct {
	Store   *host.Store // what is shared; nil: nothing is shared with other builders
	Options []sdk.Node  // the global block
	// NewRoutes makes the value of Routes, NewChain that of Handlers. nil: routes
	// that take nothing, and a chain that does nothing and does not end.
	NewRoutes func(n *sdk.Node) host.Routes
	NewChain  func(ns []sdk.Node) host.Chain

	Warnings, Errors sdk.Errors // what Warnf and Errorf got
	Read, Supplied   []string   // what Reads and Supplies got

	mu   sync.Mutex
	keys []string
}

var _ host.Builder = (*Builder)(nil)

// Routes returns what NewRoutes makes.
func (b *Builder) Routes(n *sdk.Node) host.Routes {
	if b.NewRoutes != nil {
		return b.NewRoutes(n)
	}
	return nothing{}
}

// Handlers returns what NewChain makes.
func (b *Builder) Handlers(ns []sdk.Node) host.Chain {
	if b.NewChain != nil {
		return b.NewChain(ns)
	}
	return nothing{}
}

// Global returns the nodes of that name in Options.
func (b *Builder) Global(name string) []*sdk.Node {
	all := sdk.Node{Block: b.Options}
	return all.All(name)
}

// Share holds a value of the Store, until Release.
func (b *Builder) Share(key string, make func() (any, error)) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Store == nil {
		b.Store = &host.Store{}
	}
	v, err := b.Store.Hold(key, make)
	if err == nil {
		b.keys = append(b.keys, key)
	}
	return v, err
}

// Release drops what was shared, as a graph that is gone does.
func (b *Builder) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range b.keys {
		b.Store.Drop(key)
	}
	b.keys = nil
}

// Actors returns those of the shared values that are actors, each once.
func (b *Builder) Actors() []host.Actor {
	var actors []host.Actor
	if b.Store == nil {
		return nil
	}
	for _, v := range b.Store.Values() {
		if a, ok := v.(host.Actor); ok && !slices.Contains(actors, a) {
			actors = append(actors, a)
		}
	}
	return actors
}

// Warnf keeps a warning.
func (b *Builder) Warnf(p sdk.Pos, format string, args ...any) {
	b.Warnings = append(b.Warnings, sdk.Errorf(p, format, args...))
}

// Errorf keeps an error.
func (b *Builder) Errorf(p sdk.Pos, format string, args ...any) {
	b.Errors = append(b.Errors, sdk.Errorf(p, format, args...))
}

// Reads keeps the name of a fact.
func (b *Builder) Reads(_ sdk.Pos, fact string) { b.Read = append(b.Read, fact) }

// Supplies keeps the name of a fact.
func (b *Builder) Supplies(fact string) { b.Supplied = append(b.Supplied, fact) }

// nothing is routes that take no connection and a chain that does nothing.
type nothing struct{}

func (nothing) Handle(ctx context.Context, c host.Conn, next host.Next) error { return next(ctx, c) }
func (nothing) Run(context.Context, host.Conn) error                          { return nil }
func (nothing) Ends() bool                                                    { return false }
func (nothing) String() string                                                { return "nothing" }
