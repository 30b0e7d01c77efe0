package engine

import "net/netip"

// Owns is what connections are told of this program's addresses.
func Owns(e *Engine, a netip.AddrPort) bool { return e.owns(a, true) }
