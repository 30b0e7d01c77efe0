package engine

import "dwaar.dev/dwaar/host/engine/internal/crowd"

const (
	// otherDescriptors is how many descriptors the program needs beside those of
	// connections: sockets, watched files, modules, the log, the control socket; up to 64
	// health checks, and 24 lookups of names with up to 3 each.
	otherDescriptors = 200
	// perConnection is the client's descriptor and the upstream's.
	perConnection = 2
	// leastConns is the smallest budget, however low the limit is: accept pauses when
	// descriptors run out.
	leastConns = 16
)

// connBudget returns how many connections a descriptor limit allows.
func connBudget(descriptors uint64) int {
	if descriptors < otherDescriptors+perConnection*leastConns {
		return leastConns
	}
	return int(min((descriptors-otherDescriptors)/perConnection, 1<<31-1))
}

// spend counts descriptors of connections beyond perConnection, or counts them out, and
// reports whether there was room. Fewer connections have room meanwhile.
func (e *Engine) spend(n int) bool {
	e.spending.Lock()
	defer e.spending.Unlock()
	room := int64(e.budget) - (e.extra+int64(n)+perConnection-1)/perConnection
	if n > 0 && int64(e.live.count()) > room {
		return false
	}
	e.extra += int64(n)
	e.whole.Limit(crowd.Conns, room)
	return true
}
