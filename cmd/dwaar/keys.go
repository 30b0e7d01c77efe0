package main

// The names of what the log lines of this package carry.
const (
	keyAt         = "at" // a place in a configuration
	keyConfig     = "config"
	keyError      = "error"
	keyGeneration = "generation"
	keyLines      = "lines"
	keyListeners  = "listeners"
	keyPath       = "path"
	keyPlugin     = "plugin"
	keySHA256     = "sha256"
	keySignal     = "signal"
	keyVersion    = "version"
	keyWarning    = "warning"
)
