// Package graph turns the tree of a configuration into the graph that the program
// runs: servers with their listeners, routes with their conditions and handlers.
//
// Building starts nothing: it reads files, but resolves no name, binds no socket,
// starts no goroutine and writes nothing, so that a test builds a configuration
// and compares what it prints:
//
//	g, err := graph.Build(tree, registry, graph.Options{})
//	fmt.Print(g)
package graph

import (
	"io/fs"
	"net/netip"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
)

// Graph is a valid configuration, ready to be loaded. It is used by connections
// and configurations that count themselves in with Retain; when the last one has
// released it, what it shared is dropped.
type Graph struct {
	Servers  []*Server  // in the order of the file
	Settings Settings   // of the whole program
	Warnings sdk.Errors // what is allowed and probably not meant

	actors []host.Actor
	lease  *share.Lease // of what it shares

	mu   sync.Mutex
	refs int           // the builder's own is the first
	done chan struct{} // closed on the last Release
}

// Settings are the options of the global block that belong to the whole program.
type Settings struct {
	GracePeriod time.Duration // how long a shutdown waits for connections
	ReloadDrain time.Duration // after a reload, old connections end within it; 0: never

	ClientMemory     int64 // bytes that connections hold in all before they are relayed; 0: by the memory of the program
	CrowdV4, CrowdV6 int   // bits of an address that make one client
	DecisionBytes    int64 // first bytes that are kept of each of the last decisions; 0: none
}

// Server is a set of listeners with one list of routes.
type Server struct {
	Pos       sdk.Pos
	Listeners []Listener
	Limits    Limits

	routes *route.Routes
}

// Limits bound what clients can use up.
type Limits struct {
	MatchingTimeout     time.Duration // of a matching phase; 0: none
	MaxHead             int           // bytes
	MaxConnections      int           // 0: what the descriptor limit allows
	MaxConnectionsPerIP int           // 0: no bound of its own
	MaxMatching         int           // 0: half of MaxConnections
}

// Listener is one socket to accept connections on.
type Listener struct {
	Name    string         // as configured, one of a range's: ":443", "unix//run/a.sock"
	Network string         // "tcp", "tcp4", "tcp6", "unix", "unixpacket" or "fd"; "tcp" takes both families
	Addr    netip.AddrPort // tcp; an invalid address is every address of the network
	Path    string         // unix: where; fd: the name of an inherited descriptor, where FD is 0
	FD      int            // fd: the number of an inherited descriptor
	Access  Access         // unix: who may connect
	Pos     sdk.Pos
}

// Access says to whom the file of a Unix socket belongs, and who may connect to it.
type Access struct {
	Mode         fs.FileMode // 0: what the umask leaves
	Owner, Group int         // their numbers; -1: those that the file is made with
}

// Routes are the server's routes: what a session begins with, and what can be picked
// from without a connection.
func (s *Server) Routes() *route.Routes { return s.routes }

// Actors are what runs beside the connections while this graph is the current one:
// health checks, file watchers. One of them runs what the graph shares.
func (g *Graph) Actors() []host.Actor { return g.actors }

// Retain counts a user in. It returns false if the graph is gone already.
func (g *Graph) Retain() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refs == 0 {
		return false
	}
	g.refs++
	return true
}
