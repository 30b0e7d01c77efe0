//go:build !race

package terminate_test

// raceEnabled says that the race detector is on.
const raceEnabled = false
