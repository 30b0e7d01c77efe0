//go:build !race

package e2e

// raceDetector reports whether the race detector is on: everything takes longer, and more memory.
const raceDetector = false
