package main

// The names of what the log lines of this package carry.
const (
	keyAt         = "at" // a place in a configuration
	keyConfig     = "config"
	keyError      = "error"
	keyGeneration = "generation"
	keyLines      = "lines"
	keyListeners  = "listeners"
	keySignal     = "signal"
	keyVersion    = "version"
	keyWarning    = "warning"
)
