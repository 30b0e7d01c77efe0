package engine

const (
	// otherDescriptors are what the program needs beside connections: sockets,
	// watched files, modules, the log, the control socket.
	otherDescriptors = 200
	// perConnection counts the client's and the upstream's.
	perConnection = 2
	// leastConns is served however low the limit: then accept will pause.
	leastConns = 16
)

// connBudget returns how many connections a descriptor limit allows.
func connBudget(descriptors uint64) int {
	if descriptors < otherDescriptors+perConnection*leastConns {
		return leastConns
	}
	return int(min((descriptors-otherDescriptors)/perConnection, 1<<31-1))
}
