package engine

import (
	"net/netip"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
)

// refusal is the cap that a connection was turned away by.
type refusal uint8

const (
	byConnections refusal = iota // max_connections, or what descriptors allow
	byAddress                    // max_connections_per_ip
	byMatching                   // max_matching: an older one had to go
	byDescriptors                // no descriptor was left
	refusals
)

// String returns the name of the option that an operator would change.
func (r refusal) String() string {
	return [refusals]string{"max_connections", "max_connections_per_ip", "max_matching", "descriptors"}[r]
}

// capQuiet is how long a cap must not have been hit before the log reports that
// refusing is over.
const capQuiet = 10 * time.Second

// caps counts the connections of a server against its limits.
type caps struct {
	mu       sync.Mutex
	limits   graph.Limits
	conns    int
	byPeer   map[netip.Addr]int // counted also without a cap: the next configuration may have one
	matching crowds
	spells   [refusals]episode
}

func newCaps() *caps {
	return &caps{byPeer: map[netip.Addr]int{}, matching: newCrowds()}
}

// set replaces the limits. Connections that were counted in stay.
func (k *caps) set(limits graph.Limits, budget int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if limits.MaxMatching == 0 {
		of := limits.MaxConnections
		if of == 0 {
			of = budget
		}
		limits.MaxMatching = max(of/2, 1)
	}
	k.limits = limits
}

// admit counts x in, or returns the cap that forbids x. A server without a cap of its
// own is bounded by the budget of the whole program.
func (e *Engine) admit(x *conn, now time.Time) (why refusal, ok bool) {
	k, peer := x.caps, x.peer.Addr()
	k.mu.Lock()
	defer k.mu.Unlock()
	e.tellRecovery(x, now)
	why, ok = k.room(peer, e)
	if !ok {
		if k.spells[why].hit(now) {
			e.log.Warn("connections are refused: "+why.String()+" is reached", keyListener, x.listener,
				keyConnections, k.conns)
		}
		return why, false
	}
	k.conns++
	if peer.IsValid() {
		k.byPeer[peer]++
	}
	return 0, true
}

// room reports whether one more connection of peer fits, or which cap forbids it.
// k.mu is held.
func (k *caps) room(peer netip.Addr, e *Engine) (why refusal, ok bool) {
	most := k.limits.MaxConnections
	switch per := k.limits.MaxConnectionsPerIP; {
	case most > 0 && k.conns >= most, most == 0 && e.full():
		return byConnections, false
	case per > 0 && peer.IsValid() && k.byPeer[peer] >= per:
		return byAddress, false
	}
	return 0, true
}

// tellRecovery logs the end of refusing for each cap that was not hit for capQuiet.
// The lock of the caps is held.
func (e *Engine) tellRecovery(x *conn, now time.Time) {
	for i := range x.caps.spells {
		if n, over := x.caps.spells[i].over(now, capQuiet); over {
			e.log.Info("connections are no longer refused: "+refusal(i).String(),
				keyListener, x.listener, keyRefused, n)
		}
	}
}

// refuse counts a connection that a cap has turned away.
func (e *Engine) refuse(x *conn, id uint64, why refusal) {
	x.socket.refused.Add(1)
	e.count.refused[why].Add(1)
	e.table.refuse(id, host.Code{By: host.ByProxy, In: host.InAccept, Why: host.Cap})
}

// leave counts x out of the connections of its server.
func (e *Engine) leave(x *conn) {
	k, peer := x.caps, x.peer.Addr()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conns--
	if n := k.byPeer[peer]; n > 1 {
		k.byPeer[peer] = n - 1
	} else {
		delete(k.byPeer, peer)
	}
	e.tellRecovery(x, time.Now())
}

// enterMatching counts x among the undecided connections. If there are too many, the
// oldest connection of the largest crowd is killed: an attacker with many slow
// connections evicts his own.
func (e *Engine) enterMatching(x *conn) {
	k := x.caps
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.matching.len() >= k.limits.MaxMatching {
		if victim := k.matching.evict(); victim != nil {
			e.count.refused[byMatching].Add(1)
			if k.spells[byMatching].hit(x.Accepted()) {
				e.log.Warn("undecided connections are closed for new ones: max_matching is reached",
					keyListener, x.listener, keyConnections, k.conns)
			}
			victim.Kill(host.ByProxy, host.Cap) // under the lock: the victim is still undecided
		}
	}
	k.matching.add(x)
}

// leaveMatching counts x out of the undecided connections.
func (k *caps) leaveMatching(x *conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.matching.remove(x)
}
