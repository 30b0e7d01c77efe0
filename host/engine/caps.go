package engine

import (
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine/internal/crowd"
	"dwaar.dev/dwaar/host/graph"
)

// The shards of ledgers: two connections that begin or end at once seldom contend.
const (
	wholeShards  = 16
	serverShards = 8
)

// caps counts the connections of a server against its limits.
type caps struct {
	limits atomic.Pointer[graph.Limits]
	ledger *crowd.Ledger
	spells spells
}

func newCaps() *caps {
	k := &caps{ledger: crowd.New(crowd.Server, serverShards)}
	k.limits.Store(new(graph.Limits))
	return k
}

// set replaces the limits. Connections that were counted in stay.
func (k *caps) set(limits graph.Limits, levels crowd.Levels, budget int) {
	if limits.MaxMatching == 0 {
		of := limits.MaxConnections
		if of == 0 {
			of = budget
		}
		limits.MaxMatching = max(of/2, 1)
	}
	k.limits.Store(&limits)
	k.ledger.SetLevels(levels)
	k.ledger.Limit(crowd.Conns, int64(limits.MaxConnections))
	k.ledger.Limit(crowd.Matching, int64(limits.MaxMatching))
}

// levels returns what makes a crowd by the settings of a configuration.
func levels(s graph.Settings) crowd.Levels { return crowd.Levels{V4: s.CrowdV4, V6: s.CrowdV6} }

// Unless the configuration says how much, clients may hold 256 MiB before they are
// relayed, and not more than a quarter of what the whole program may.
const (
	defaultClientMemory = 256 << 20
	memoryShare         = 4
)

// clientMemory returns how many bytes clients may hold before they are relayed.
func clientMemory(s graph.Settings) int64 {
	if s.ClientMemory > 0 {
		return s.ClientMemory
	}
	whole := debug.SetMemoryLimit(-1) // which only asks
	if whole == math.MaxInt64 {
		return defaultClientMemory
	}
	return min(defaultClientMemory, max(whole/memoryShare, 1<<20))
}

// admit counts x in, or returns the cap that forbids x. At a limit of connections the
// crowd that holds most gives way, if there is one that holds more than that of x. A
// server without a cap of its own is bounded by the budget of the whole program.
func (e *Engine) admit(x *conn, now time.Time) (why refusal, ok bool) {
	k, peer := x.caps, x.peer.Addr()
	limits := k.limits.Load()
	perCrowd := limits.MaxConnectionsPerIP
	if !peer.IsValid() {
		perCrowd = 0 // a Unix socket's clients have no addresses to tell them apart
	}
	k.spells.tellRecovery(e, x.listener, now)
	x.place.Init(x)
	if !k.ledger.Join(&x.place, peer, perCrowd) {
		return byAddress, false
	}
	e.whole.Join(&x.place, peer, 0)
	bounds := k.ledger
	if limits.MaxConnections == 0 {
		bounds = e.whole
	}
	if !e.makeRoom(bounds, crowd.Conns, x, byConnections, now) {
		e.leave(x)
		return byConnections, false
	}
	e.makeRoom(k.ledger, crowd.Matching, x, byMatching, now)
	return 0, true
}

// makeRoom has connections give way for x until a ledger is within its limit. It reports
// whether there is room. Where many newcomers come at once each sees what all of them have
// brought: x has done its part when others are still at it.
func (e *Engine) makeRoom(l *crowd.Ledger, m crowd.Measure, x *conn, why refusal, now time.Time) bool {
	const most = 16 // a connection may hold more than those that give way for it
	if !l.Full(m) {
		return true
	}
	e.making.Add(1)
	defer e.making.Add(-1)
	for range most {
		victim, full := e.evict(l, m, x)
		switch {
		case !full:
			return true
		case victim == nil:
			return false
		}
		e.record(victim.account, victim.peer, why, true, now)
	}
	return !l.Full(m) || e.making.Load() > 1
}

// evict has one connection give way for x if a ledger is full; nil: nobody gives way. One
// at a time: of two newcomers that see one connection too many, one ends a connection.
func (e *Engine) evict(l *crowd.Ledger, m crowd.Measure, x *conn) (victim *conn, full bool) {
	e.evicting.Lock()
	defer e.evicting.Unlock()
	if !l.Full(m) {
		return nil, false
	}
	victim, _ = l.Evict(m, &x.place).(*conn)
	return victim, true
}

// leave counts x out.
func (e *Engine) leave(x *conn) {
	x.caps.ledger.Leave(&x.place)
	e.whole.Leave(&x.place)
}

// Evict implements [crowd.Holder].
func (x *conn) Evict() bool { return x.Kill(host.ByProxy, host.Evicted) }

// Moved implements [crowd.Holder].
func (x *conn) Moved() int64 {
	up, down := x.Counts()
	return up + down
}

// Charge implements [session.Owner]. Where memory is used up, the crowd that holds most of
// it gives way.
func (x *conn) Charge(n int) bool {
	l := x.e.whole
	switch {
	case !l.Charge(&x.place, n):
	case n <= 0 || !l.Full(crowd.Bytes) || x.e.makeRoom(l, crowd.Bytes, x, byMemory, time.Now()):
		return true
	default:
		l.Charge(&x.place, -n)
	}
	x.e.record(x.account, x.peer, byMemory, false, time.Now())
	return false
}

// Spend implements [session.Owner]. Where the budget of descriptors is used up, the crowd
// that holds most of it gives way.
func (x *conn) Spend(n int) bool {
	l := x.e.whole
	switch {
	case !l.Spend(&x.place, n):
		return false
	case n <= 0 || x.e.makeRoom(l, crowd.Conns, x, byConnections, time.Now()):
		return true
	}
	l.Spend(&x.place, -n)
	return false
}
