package engine

import (
	"net/netip"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
)

// remembered is how many decisions are kept: a few seconds of a busy listener, a
// few minutes of a quiet one.
const remembered = 256

// Decision is the end of a connection's first matching phase.
type Decision struct {
	Time     time.Time      // when the phase ended
	ID       uint64         // of the connection
	Client   netip.AddrPort // zero on Unix sockets
	Listener string         // as configured
	Route    string         // "": no route took it
	Bytes    int            // length of the head at that time
	Took     time.Duration  // since the connection was accepted
	Final    error          // why the head could not grow any more; nil: the bytes decided
	Ended    bool           // the connection has ended, with Code
	Code     host.Code      // how the connection ended; valid if Ended
}

// decisions is a ring of the last decisions.
type decisions struct {
	mu   sync.Mutex
	last uint64 // the number of the latest one, from 1
	ring [remembered]Decision
}

// add remembers a decision and returns its number.
func (d *decisions) add(one Decision) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	d.ring[d.last%remembered] = one
	return d.last
}

// end notes in a decision how its connection ended, if the ring still has it.
func (d *decisions) end(number uint64, code host.Code) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number == 0 || d.last-number >= remembered {
		return
	}
	one := &d.ring[number%remembered]
	one.Ended, one.Code = true, code
}

// Decisions returns the last routing decisions, at most 256, oldest first.
func (e *Engine) Decisions() []Decision {
	d := &e.decisions
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(d.last, remembered)
	all := make([]Decision, 0, n)
	for i := d.last - n + 1; i <= d.last; i++ {
		all = append(all, d.ring[i%remembered])
	}
	return all
}
