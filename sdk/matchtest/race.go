//go:build race

package matchtest

// raceDetector says that pools drop values at random, so that allocations are not
// to be counted.
const raceDetector = true
