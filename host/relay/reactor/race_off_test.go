//go:build !race

package reactor

// raced says that the race detector, which enlarges everything, is on.
const raced = false
