//go:build race

package builtin_test

// raceDetector reports whether the race detector is on: pools drop at random and frames are larger, so that
// allocations are not counted.
const raceDetector = true
