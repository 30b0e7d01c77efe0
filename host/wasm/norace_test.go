//go:build !race

package wasm

// raceDetector says that everything takes longer: a module of Go half a minute to
// compile.
const raceDetector = false
