package engine

import "net/netip"

// Owns is what connections are told of this program's addresses.
func Owns(e *Engine, a netip.AddrPort) bool { return e.owns(a, true) }

// Generations is how many configurations are remembered.
func Generations(e *Engine) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.generations)
}
