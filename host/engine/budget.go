package engine

import "dwaar.dev/dwaar/host/engine/internal/crowd"

const (
	// otherDescriptors is how many descriptors the program needs beside those of
	// connections: sockets, watched files, modules, the log, the control socket; up to 64
	// health checks, and 24 lookups of names with up to 3 each.
	otherDescriptors = 200
	// leastConns is the smallest budget, however low the limit is: accept pauses when
	// descriptors run out.
	leastConns = 16
)

// connBudget returns how many connections a descriptor limit allows.
func connBudget(descriptors uint64) int {
	if descriptors < otherDescriptors+crowd.PerConnection*leastConns {
		return leastConns
	}
	return int(min((descriptors-otherDescriptors)/crowd.PerConnection, 1<<31-1))
}
