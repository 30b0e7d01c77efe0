package session

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// Env is what the sessions of a listener have in common.
type Env struct {
	Heads  *Heads                    // where first bytes are kept and accounted for
	Log    *slog.Logger              // of the listener
	Getenv func(string) string       // for {env.NAME}; nil: every variable is empty
	Own    func(netip.AddrPort) bool // whether a listener of this program has the address; nil: nobody knows
	Start  Relayer                   // what relays; nil: relay.Start
	Life   context.Context           // what handlers run under; nil: without end
	Terse  bool                      // at the end nobody asks for facts
}

// Relayer is relay.Start, or what does the same for the ends that it can serve
// better.
type Relayer func(down, up relay.Endpoint, o relay.Options) *relay.Link

// Owner is told what others keep account of. Its methods are called by whoever
// drives the session, once each.
type Owner interface {
	// Decided tells that the first matching phase is over, whatever came of it:
	// head and facts are still there.
	Decided()
	// Ended tells how the session ended. Its sockets are closed.
	Ended(host.Outcome)
}

// Record is what the log says of a session that no other part of it does.
type Record struct {
	Tries     int32         // attempts to reach an upstream
	Matched   time.Duration // from accept until the outer route was chosen; 0: none was
	Connected time.Duration // from accept until the upstream stood; 0: none does
	Fuel      int64         // units that plugins took to choose its routes
}

// Session is one connection from accept to its end, without its sockets. The zero
// value becomes one by Init. Step and what is in [host.View] belong to whoever
// drives it; the other methods may be called from any goroutine.
type Session struct {
	env      *Env
	owner    Owner
	id       uint64
	accepted time.Time
	setup    *setup      // nil once a relay has the connection, or it has ended
	facts    *host.Facts // what is left of them then; nil: nothing
	record   Record
	header   atomic.Int32 // bytes to the upstream that are not the client's
	given    bool         // to a relay
	state    atomic.Uint32
	route    atomic.Pointer[string]
	up       atomic.Pointer[upstream.Upstream] // which counts the session
	proxied  atomic.Pointer[netip.AddrPort]    // the client as a PROXY header names it
	hold     atomic.Pointer[relay.Link]        // who ends what the session waits for
	killed   atomic.Pointer[host.Code]
}

// setup is what a session needs until a relay has its bytes. It then serves another
// session.
type setup struct {
	head
	facts    host.Facts
	graph    *graph.Graph // given back with the setup; nil: there is none
	routes   *graph.Routes
	phase    phase
	need     int // bytes that the head must have before the routes are tried again
	final    error
	route    *graph.Route // the outer one that was chosen
	planner  host.Planner // what connects without a goroutine
	attempts upstream.Attempts
	course   upstream.Course
	now      time.Time    // of the input that is looked at
	landed   bool         // a goroutine has it: conns refer to it
	outcome  host.Outcome // how the session ends, while its sockets are closed
}

// Begin is what a session begins with.
type Begin struct {
	ID     uint64
	Flow   sdk.Flow      // without bytes; its MaxHead is set
	Routes *graph.Routes // nil: the handlers are the driver's, see Serve
	Graph  *graph.Graph  // of the routes, with a reference for the session; nil: none is counted
}

// Init makes s a session that was accepted. It is not copied afterwards.
func (s *Session) Init(env *Env, owner Owner, b *Begin) {
	u := env.Heads.setup()
	s.env, s.owner, s.id, s.accepted, s.setup = env, owner, b.ID, b.Flow.Accepted, u
	u.graph, u.routes = b.Graph, b.Routes
	u.flow.Become(b.Flow)
	u.flow.Bind(s)
}

// ID numbers the connections of a process from 1.
func (s *Session) ID() uint64 { return s.id }

// Accepted is when the connection was.
func (s *Session) Accepted() time.Time { return s.accepted }

// State returns where the session is.
func (s *Session) State() State { return State(s.state.Load()) }

// Route is the name of the outer route that was chosen; "": none was yet.
func (s *Session) Route() string {
	if title := s.route.Load(); title != nil {
		return *title
	}
	return ""
}

// Upstream is the name of the upstream that the session stands with; "": none yet.
func (s *Session) Upstream() string {
	if up := s.up.Load(); up != nil {
		return up.Name
	}
	return ""
}

// Proxied returns the client's address as a PROXY header named it, nil if there was
// none. Nobody changes it.
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

// fromClient is what of the bytes to the upstream was the client's.
func (s *Session) fromClient(up int64) int64 { return max(up-int64(s.header.Load()), 0) }

// Kill ends the session for a reason of the operator's, of a cap or of an upstream's.
// It does not wait; of several kills the first counts.
func (s *Session) Kill(by host.Party, why host.Why) {
	if !s.killed.CompareAndSwap(nil, &host.Code{By: by, Why: why}) {
		return
	}
	if link := s.hold.Load(); link != nil {
		link.Kill(relayReason(why))
	}
}

// Unhealthy implements [upstream.Conn].
func (s *Session) Unhealthy() { s.Kill(host.ByUpstream, host.Unhealthy) }

// Hold says who ends what the session waits for from now on: the loop that has its
// socket, its goroutine, or its relay. A kill that came before reaches the new one.
func (s *Session) Hold(link *relay.Link) {
	s.hold.Store(link)
	if code := s.killed.Load(); code != nil {
		link.Kill(relayReason(code.Why))
	}
}

// Record returns what the log says of the session. It is the driver's, or the
// owner's in its methods.
func (s *Session) Record() *Record { return &s.record }

// Facts is what is known of the session, for the driver and the owner.
func (s *Session) Facts() *host.Facts {
	switch {
	case s.setup != nil:
		return &s.setup.facts
	case s.facts != nil:
		return s.facts
	}
	return new(host.Facts)
}

// Final is why no more bytes were waited for; nil: the bytes decided. It is for
// Owner.Decided.
func (s *Session) Final() error {
	if s.setup == nil {
		return nil
	}
	return s.setup.final
}
