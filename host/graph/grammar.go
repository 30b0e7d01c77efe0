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
			Block: &sdk.Block{Options: append(globalOptions(), layer4)},
		},
		Server: sdk.Spec{
			Name: "ADDR", Doc: "Listens on one or more addresses and tries its routes in order; the first one that matches wins",
			Args: []sdk.Arg{sdk.List("ADDR", sdk.Addr)}, Need: true, Many: true,
			Block: &sdk.Block{Options: serverOptions(), Holds: sdk.HoldsRoutes},
		},
		Route: sdk.Spec{
			Name: routeName, Doc: "Gives connections that match any of the named sets, or all if none is named, to its handlers in order",
			Args: []sdk.Arg{sdk.List("@name", sdk.Ref)}, Need: true, Many: true,
			Block: &sdk.Block{Holds: sdk.HoldsHandlers},
		},
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

func globalOptions() []sdk.Spec {
	return []sdk.Spec{
		{
			Name: "grace_period", Doc: "How long a shutdown waits for open connections",
			Args: []sdk.Arg{sdk.One("D", sdk.Duration)}, Default: "30s",
		},
		{
			Name: "reload_drain", Doc: "After a reload, connections of the old configuration end within this time",
			Args: []sdk.Arg{orOff(sdk.One("D", sdk.Duration))}, Default: "off",
		},
	}
}

// MatchingTimeout describes the option of servers and subroutes.
func MatchingTimeout() sdk.Spec {
	return sdk.Spec{
		Name: "matching_timeout", Doc: "How long a client may take to show what it is; then what is undecided is unknown and the routes are tried a last time",
		Args: []sdk.Arg{orOff(sdk.One("D", sdk.Duration))}, Default: "3s",
	}
}

func serverOptions() []sdk.Spec {
	return append([]sdk.Spec{
		MatchingTimeout(),
		{
			Name: "max_head", Doc: "How many first bytes are looked at at most",
			Args: []sdk.Arg{sdk.One("SIZE", sdk.Size)}, Default: "16KiB",
		},
		{
			Name: "max_connections", Doc: "How many connections this server has at most; by default what the descriptor limit allows, (limit − 200) / 2",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		},
		{
			Name: "max_connections_per_ip", Doc: "How many connections one client address has at most",
			Args: []sdk.Arg{orOff(sdk.One("N", sdk.Int))}, Default: "off",
		},
		{
			Name: "max_matching", Doc: "How many connections may be undecided at a time; by default half of max_connections. When it is reached the oldest silent one gives way",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		},
	}, socketOptions()...)
}

// The options that say whose the files of Unix listeners are.
const (
	ownerName = "socket_owner"
	groupName = "socket_group"
)

func socketOptions() []sdk.Spec {
	return []sdk.Spec{
		{
			Name: ownerName, Doc: "The user, a name or a number, to whom the server's Unix sockets belong; their mode is behind the path, unix//run/app.sock|0660",
			Args: []sdk.Arg{sdk.One("USER", sdk.Free)}, Default: "the one dwaar runs as",
		},
		{
			Name: groupName, Doc: "The group, a name or a number, to which they belong",
			Args: []sdk.Arg{sdk.One("GROUP", sdk.Free)}, Default: "the one dwaar runs as",
		},
	}
}

func orOff(a sdk.Arg) sdk.Arg {
	a.Words = []string{"off"}
	return a
}
