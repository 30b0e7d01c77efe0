package session

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// Env is what the sessions of a listener have in common. Nobody changes an Env once a
// session has it.
type Env struct {
	Heads  *Heads              // lends the buffers of heads
	Log    *slog.Logger        // of the listener
	Getenv func(string) string // for {env.NAME}; nil: every variable is empty
	Hops   *Hops               // follows connections to listeners of this program; nil: nobody does

	// Own reports whether a connection to an address arrives at a listener of this program,
	// OwnPath the same of a Unix socket. near says that the connection that asks comes from
	// this machine itself: only the latest news will do. nil: unknown.
	Own     func(at netip.AddrPort, near bool) bool
	OwnPath func(path string, near bool) bool

	Start Relayer         // starts relays; nil: relay.Start
	Life  context.Context // parent of the handlers' contexts; nil: the background
	Terse bool            // the owner does not read the facts at the end
}

// Relayer is relay.Start, or a function with the same contract, as Loops.Start of
// package loop.
type Relayer func(down, up relay.Endpoint, o relay.Options) *relay.Link

// Owner is told what it needs to count and log a session. The goroutine that drives
// the session calls Decided at most once and Ended exactly once. None may wait.
type Owner interface {
	// Charge is told that the session holds n bytes more from now on, or, where n is
	// negative, that they were given back. It reports whether there is room for them;
	// without room they do not count.
	Charge(n int) bool
	// Spend is told that the session holds n descriptors beyond those of the client and one
	// upstream from now on, or, where n is negative, that they are closed. It reports
	// whether there is room for them; without room they do not count. Any goroutine may
	// call Spend.
	Spend(n int) bool
	// Decided tells that the outer matching phase is over, with a route or without.
	// Head and facts can still be read.
	Decided()
	// Readdressed tells that a PROXY header has named other addresses, which Flow has. It may
	// come before Decided and after.
	Readdressed()
	// Ended tells how the session ended. Its sockets are closed, and nothing is called
	// afterwards.
	Ended(host.Outcome)
}

// Record is what a session measures of itself, for the log.
type Record struct {
	Tries     int32         // attempts to reach an upstream
	Matched   time.Duration // from accept until the outer route was chosen; 0: none was
	Connected time.Duration // from accept until the upstream stood; 0: none does
	Fuel      int64         // units of fuel that plugins took to choose the routes
}

// Session is one connection from accept to its end, without its sockets. Init makes
// the zero value ready. Step, Record, Facts, Final and the methods of [host.View] are
// for the goroutine that drives the session; any goroutine may call the others.
type Session struct {
	env      *Env
	owner    Owner
	id       uint64
	accepted time.Time
	setup    *setup       // nil once a relay has the connection, or it has ended
	facts    *route.Facts // the facts once setup is nil; nil: none are kept
	record   Record
	header   atomic.Int32 // counted bytes to the upstream that are not the client's
	given    bool         // a relay has the session
	silent   bool         // no byte had come from the client when the session was given to a relay
	state    atomic.Uint32
	route    atomic.Pointer[string]
	up       atomic.Pointer[upstream.Upstream] // the upstream that stands; nil: none yet
	proxied  atomic.Pointer[netip.AddrPort]    // the client's address by a PROXY header; nil: none came
	hold     atomic.Pointer[relay.Link]        // ends what the session waits for; see Hold
	killed   atomic.Pointer[host.Code]         // of the first Kill; nil: none came
}

// setup is what a session needs until a relay has it or it ends. Heads keeps the setup
// for another session then.
type setup struct {
	head
	facts    route.Facts
	trail    route.Trail
	graph    Graph // given back with the setup; nil: there is none
	routes   *route.Routes
	phase    phase
	need     int          // bytes that the head must have before the routes are tried again
	final    error        // why the head will not grow; nil: it may
	route    *route.Route // the outer route; nil: none was chosen yet
	way      route.Way    // where the session is in the chains of its routes
	step     host.Stepper // whose step is under way; nil: none is
	stepping stepping
	planner  host.Planner   // at the end of the way; nil: the session has not come to one
	peer     netip.AddrPort // where the session came from, and where it arrived, once a PROXY
	arrival  netip.AddrPort // header has named other addresses
	attempts upstream.Attempts
	course   upstream.Course
	now      time.Time    // Input.At of the latest input
	landed   bool         // handlers refer to the setup: nobody may use it again
	wrapped  []*head      // those of conns that Wrap made
	outcome  host.Outcome // how the session ends; valid while Closing
}

// Graph is what the routes of a session belong to, and lives while somebody holds a
// reference to it. Release gives one back and never waits.
type Graph interface{ Release() }

// Begin is what a session begins with.
type Begin struct {
	ID     uint64        // number of the connection, from 1
	Flow   sdk.Flow      // without a head; MaxHead is set
	Routes *route.Routes // nil: Serve is given the handlers
	Graph  Graph         // of the routes, with a reference that the session releases; nil: none
}

// Init makes s a session in state Accepted. Nobody may copy s afterwards.
func (s *Session) Init(env *Env, owner Owner, b *Begin) {
	u, used := env.Heads.setups.Get().(*setup)
	if !used {
		u = new(setup)
	}
	s.env, s.owner, s.id, s.accepted, s.setup = env, owner, b.ID, b.Flow.Accepted, u
	u.graph, u.routes = b.Graph, b.Routes
	u.flow.Become(b.Flow)
	u.flow.Bind(s)
}

// ID returns the number of the connection in this process, from 1.
func (s *Session) ID() uint64 { return s.id }

// Accepted returns when the connection was accepted.
func (s *Session) Accepted() time.Time { return s.accepted }

// State returns the state of the session.
func (s *Session) State() State { return State(s.state.Load()) }

// Route returns the name of the outer route that was chosen; "": none was yet.
func (s *Session) Route() string {
	if title := s.route.Load(); title != nil {
		return *title
	}
	return ""
}

// Upstream returns the name of the upstream that stands; "": none does yet.
func (s *Session) Upstream() string {
	if up := s.up.Load(); up != nil {
		return up.Name
	}
	return ""
}

// Proxied returns the client's address as a PROXY header named it; nil: no header did.
// The caller must not change the address.
func (s *Session) Proxied() *netip.AddrPort { return s.proxied.Load() }

// Counts returns the bytes relayed so far: from the client, and to it.
func (s *Session) Counts() (up, down int64) {
	link := s.hold.Load()
	if link == nil {
		return 0, 0
	}
	up, down = link.Counts()
	return s.fromClient(up), down
}

// fromClient returns how many of the bytes to the upstream came from the client.
func (s *Session) fromClient(up int64) int64 { return max(up-int64(s.header.Load()), 0) }

// Kill ends the session because of the operator, a cap or the upstream. It does not
// wait; the first of several kills counts, and Kill reports whether it was the first.
func (s *Session) Kill(by host.Party, why host.Why) bool {
	if !s.killed.CompareAndSwap(nil, &host.Code{By: by, Why: why}) {
		return false
	}
	if link := s.hold.Load(); link != nil {
		link.Kill(relayReason(why))
	}
	return true
}

// Unhealthy implements [upstream.Conn].
func (s *Session) Unhealthy() { s.Kill(host.ByUpstream, host.Unhealthy) }

// Hold names the link that Kill is passed on to from now on: of the loop that has the
// client's socket, of the goroutine, or of the relay. A kill that came before is passed
// on to link at once.
func (s *Session) Hold(link *relay.Link) {
	s.hold.Store(link)
	if code := s.killed.Load(); code != nil {
		link.Kill(relayReason(code.Why))
	}
}

// Record returns what the session measured of itself. The owner may read it in its
// methods.
func (s *Session) Record() *Record { return &s.record }

// Facts returns what is known of the session. The owner may read it in its methods.
func (s *Session) Facts() *route.Facts {
	switch {
	case s.setup != nil:
		return &s.setup.facts
	case s.facts != nil:
		return s.facts
	}
	return new(route.Facts)
}

// Trail returns what the matchers answered so far. It is for Owner.Decided.
func (s *Session) Trail() *route.Trail {
	if s.setup == nil {
		return new(route.Trail)
	}
	return &s.setup.trail
}

// Final returns why the head did not grow any more; nil: the bytes decided. It is for
// Owner.Decided.
func (s *Session) Final() error {
	if s.setup == nil {
		return nil
	}
	return s.setup.final
}
