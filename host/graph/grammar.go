package graph

import (
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// The defaults of a server.
const (
	DefaultMatchingTimeout = 3 * time.Second
	DefaultMaxHead         = 16 << 10 // bytes: four times the longest first flight in the field
	DefaultGracePeriod     = 30 * time.Second

	routeName = "route"
	notName   = "not"

	minHead = 256
	maxHead = 1 << 20

	minClientMemory = 1 << 20

	defaultCrowdV4 = 32
	defaultCrowdV6 = 64 // what one subscriber has at least
	minCrowdBits   = 16
)

// Grammar returns everything a configuration can say that names what r knows.
func Grammar(r *host.Registry) *sdk.Grammar {
	layer4 := sdk.Spec{
		Name: "layer4", Doc: "Holds servers: each begins with the addresses it listens on",
		Block: &sdk.Block{Holds: sdk.HoldsServers}, Need: true, Many: true,
	}
	g := &sdk.Grammar{
		Top: []sdk.Spec{layer4},
		Global: sdk.Spec{
			Doc:   "Options of the whole program, in a block without a name at the top of the file",
			Block: &sdk.Block{Options: append(sdk.Specs(globalOptions()), layer4)},
		},
		Server: sdk.Spec{
			Name: "ADDR", Doc: "Listens on one or more addresses and tries its routes in order; the first one that matches wins",
			Args: []sdk.Arg{sdk.List("ADDR", sdk.Addr)}, Need: true, Many: true,
			Block: &sdk.Block{Options: sdk.Specs(serverOptions()), Holds: sdk.HoldsRoutes},
		},
		Route: sdk.Spec{
			Name: routeName, Doc: "Gives connections that match any of the named sets, or all if none is named, to its handlers in order",
			Args: []sdk.Arg{sdk.List("@name", sdk.Ref)}, Need: true, Many: true,
			Block: &sdk.Block{Holds: sdk.HoldsHandlers},
		},
		Deny:     denySpec(),
		Matchers: []sdk.Spec{notSpec()},
	}
	for _, e := range r.Globals() {
		g.Global.Block.Options = append(g.Global.Block.Options, e.Spec)
	}
	for _, e := range r.Matchers() {
		g.Matchers = append(g.Matchers, e.Spec)
	}
	for _, e := range r.Handlers() {
		g.Handlers = append(g.Handlers, e.Spec)
	}
	return g
}

func notSpec() sdk.Spec {
	return sdk.Spec{
		Name: notName, Doc: "Matches what the matcher behind it, or all matchers in its block together, do not match; what cannot be read is not thereby absent",
		Block: &sdk.Block{Holds: sdk.HoldsMatchers}, Need: true,
	}
}
