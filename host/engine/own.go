package engine

import (
	"net"
	"net/netip"

	"dwaar.dev/dwaar/host"
)

// addresses are where this program listens, so that nothing is sent back to it
// because a client says so.
type addresses struct {
	listeners map[uint16][]netip.Addr // by port; the unspecified address is all
	machine   map[netip.Addr]bool     // of the interfaces, when it was made
}

// addresses returns where the sockets listen now. e.mu is held.
func (e *Engine) addresses() *addresses {
	a := &addresses{listeners: map[uint16][]netip.Addr{}, machine: map[netip.Addr]bool{}}
	for _, s := range e.sockets {
		if at := addrPort(s.ln.Addr()); at.IsValid() {
			a.listeners[at.Port()] = append(a.listeners[at.Port()], at.Addr())
		}
	}
	known, err := net.InterfaceAddrs()
	if err != nil {
		e.log.Warn("asking for the addresses of this machine", keyError, err)
	}
	for _, one := range known {
		if p, err := netip.ParsePrefix(one.String()); err == nil {
			a.machine[p.Addr().Unmap().WithZone("")] = true
		}
	}
	return a
}

// owns says whether a connection to the address would arrive at this program. It is
// called from any goroutine.
func (e *Engine) owns(at netip.AddrPort) bool {
	a := e.own.Load()
	if a == nil {
		return false
	}
	to := host.Plain(at).Addr()
	for _, l := range a.listeners[at.Port()] {
		switch {
		case l == to:
			return true
		case to.IsUnspecified() && (l.IsLoopback() || l.IsUnspecified()):
			return true
		case l.IsUnspecified() && (to.IsLoopback() || a.machine[to]):
			return true
		}
	}
	return false
}
