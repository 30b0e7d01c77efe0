//go:build race

package matchtest

// raceDetector reports whether the race detector is on: pools drop values at random, so that allocations are not
// to be counted.
const raceDetector = true
