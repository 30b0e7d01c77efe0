package hosttest

import (
	"context"
	"slices"
	"sync"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
)

// Builder is a [host.Declarer] that keeps what constructors tell it. The zero value is
// ready. Builders with one Store are configurations that follow each other.
type Builder struct {
	Store   *share.Store // what is shared; nil: nothing is shared with other builders
	Options []sdk.Node   // the global block
	Used    []*sdk.Node  // what Uses returns
	Head    int          // what MaxHead returns
	// NewRoutes makes the value of Routes, NewChain that of Handlers. nil: routes
	// that take nothing, and a chain that does nothing and does not end.
	NewRoutes func(n *sdk.Node) host.Routes
	NewChain  func(ns []sdk.Node) host.Chain

	Warnings       sdk.Errors    // what Warnf got
	Read, Supplied []string      // what Reads and Supplies got
	Declared       host.Registry // what Matcher got

	mu    sync.Mutex
	lease *share.Lease
}

var _ host.Declarer = (*Builder)(nil)

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
	return b.holds().Share(key, make)
}

// holds returns the lease of the builder.
func (b *Builder) holds() *share.Lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Store == nil {
		b.Store = new(share.Store)
	}
	if b.lease == nil {
		b.lease = b.Store.Lease()
	}
	return b.lease
}

// Release drops what was shared, as a graph that is gone does, and returns when it was
// closed. The builder may then be used for another configuration.
func (b *Builder) Release() {
	b.holds().Release()
	b.mu.Lock()
	b.lease = nil
	b.mu.Unlock()
	_ = b.Store.Wait(context.Background()) // its context does not end
}

// Actors returns those of the shared values that are actors, each once.
func (b *Builder) Actors() []host.Actor {
	var actors []host.Actor
	if b.Store == nil {
		return nil
	}
	for _, a := range share.All[host.Actor](b.Store) {
		if !slices.Contains(actors, a) {
			actors = append(actors, a)
		}
	}
	return actors
}

// Matcher keeps a matcher in Declared.
func (b *Builder) Matcher(spec sdk.Spec, make func(host.Builder, *sdk.Node) (sdk.Matcher, error)) {
	b.Declared.BuiltMatcher(spec, make)
}

// Uses returns Used.
func (b *Builder) Uses(string) []*sdk.Node { return b.Used }

// MaxHead returns Head.
func (b *Builder) MaxHead() int { return b.Head }

// Warnf keeps a warning.
func (b *Builder) Warnf(p sdk.Pos, format string, args ...any) {
	b.Warnings = append(b.Warnings, sdk.Errorf(p, format, args...))
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
