//go:build race

package e2e

// raceDetector says that everything takes longer, and more memory.
const raceDetector = true
