//go:build race

package wasm

// raceDetector reports whether the race detector is on: everything takes longer: a module of Go half a minute to
// compile.
const raceDetector = true
