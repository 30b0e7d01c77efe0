//go:build race

package main

// raceDetector reports whether the race detector is on: everything takes many times as long.
const raceDetector = true
