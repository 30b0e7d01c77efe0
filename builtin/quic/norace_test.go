//go:build !race

package quic_test

// raceDetector reports whether the tests run under it.
const raceDetector = false
