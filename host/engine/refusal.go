package engine

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
)

// refusal is the cap that a connection was refused or evicted by.
type refusal uint8

const (
	byConnections refusal = iota // max_connections, or what descriptors allow
	byAddress                    // max_connections_per_ip
	byMatching                   // max_matching
	byMemory                     // client_memory
	byDescriptors                // no descriptor was left
	refusals
)

// String returns the name of the option that an operator would change.
func (r refusal) String() string {
	return [refusals]string{"max_connections", "max_connections_per_ip", "max_matching", "client_memory", "descriptors"}[r]
}

// record is the one place that learns of every client whom a cap costs a connection: a
// newcomer that is refused, or a connection that is evicted because its crowd holds most.
// It counts them, and logs the first one of a spell. Of those that are refused before they
// are sessions, which have no line of their own, it logs the addresses.
func (e *Engine) record(a *account, from netip.AddrPort, why refusal, evicted bool, now time.Time) {
	switch {
	case evicted:
		e.count.evicted[why].Add(1)
	case why == byMemory: // which sessions use up
		e.count.refused[why].Add(1)
	default:
		e.count.refused[why].Add(1)
		e.turned.refused(a.listener, from, why.String())
	}
	if why == byDescriptors || !a.caps.spells.hit(why, evicted, now) {
		return // shortage tells when descriptors run out
	}
	text := "connections are refused: " + why.String() + " is reached"
	if evicted {
		text = "connections of whoever has most are closed for others: " + why.String() + " is reached"
	}
	e.log.Warn(text, keyListener, a.listener, keyClient, from.Addr(), keyConnections, e.live.count())
}

// refuse counts a connection that a cap has turned away at once.
func (e *Engine) refuse(x *conn, id uint64, why refusal, now time.Time) {
	x.socket.refused.Add(1)
	e.record(x.account, x.peer, why, false, now)
	e.table.refuse(id, host.Code{By: host.ByProxy, In: host.InAccept, Why: host.Cap})
}

// capQuiet is how long a cap must not have been hit before the log reports that it is
// over.
const capQuiet = 10 * time.Second

// spells are the times during which the caps of a server are hit.
type spells struct {
	any atomic.Bool // one of them is active: nobody else needs the lock

	mu               sync.Mutex
	refused, evicted [refusals]episode
}

// hit notes that a cap was hit, and reports whether that is the first time of a spell.
func (s *spells) hit(why refusal, evicted bool, now time.Time) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.any.Store(true)
	if evicted {
		return s.evicted[why].hit(now)
	}
	return s.refused[why].hit(now)
}

// tellRecovery logs the end of each spell whose cap was not hit for capQuiet.
func (s *spells) tellRecovery(e *Engine, listener string, now time.Time) {
	if !s.any.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	active := false
	for why := range refusals {
		if n, over := s.refused[why].over(now, capQuiet); over {
			e.log.Info("connections are no longer refused: "+why.String(), keyListener, listener, keyRefused, n)
		}
		if n, over := s.evicted[why].over(now, capQuiet); over {
			e.log.Info("connections are no longer closed for others: "+why.String(), keyListener, listener, keyEvicted, n)
		}
		active = active || s.refused[why].active || s.evicted[why].active
	}
	s.any.Store(active)
}
