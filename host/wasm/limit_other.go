//go:build !linux

package wasm

// limit does nothing here: the clock still ends the compiler.
func limit(uint64, uint64) error { return nil }
