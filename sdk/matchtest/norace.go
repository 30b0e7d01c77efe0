//go:build !race

package matchtest

const raceDetector = false
