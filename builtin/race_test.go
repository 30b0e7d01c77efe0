//go:build race

package builtin_test

// raceDetector says that pools drop at random and frames are larger, so that
// allocations are not counted.
const raceDetector = true
