//go:build race

package engine_test

// raceEnabled reports whether the race detector is on: the race detector makes everything slow.
const raceEnabled = true
