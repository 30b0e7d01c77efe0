//go:build !race

package bothways

// raceDetector says that everything takes many times as long.
const raceDetector = false
