//go:build race

package bothways

// raceDetector reports whether the race detector is on: everything takes many times as long.
const raceDetector = true
