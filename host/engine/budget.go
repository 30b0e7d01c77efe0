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
