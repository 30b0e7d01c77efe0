package engine

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

// full reports whether connections hold as many descriptors as they may.
func (e *Engine) full() bool { return e.holds(0) >= int64(e.budget) }

// holds returns how many connections have as many descriptors as all that live, and more.
func (e *Engine) holds(more int64) int64 {
	return int64(e.live.count()) + (e.extra.Load()+more+perConnection-1)/perConnection
}

// spend counts descriptors of connections beyond perConnection, or counts them out, and
// reports whether there was room.
func (e *Engine) spend(n int) bool {
	if n > 0 && e.holds(int64(n)) > int64(e.budget) {
		return false
	}
	e.extra.Add(int64(n))
	return true
}
