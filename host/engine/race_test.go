//go:build race

package engine_test

// raceEnabled says that the race detector makes everything slow.
const raceEnabled = true
