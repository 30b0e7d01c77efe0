package engine

import (
	"net"
	"net/netip"

	"dwaar.dev/dwaar/host"
)

// addresses are where this program listens. A planner whose target comes from the
// client uses them, so that the program is not made to connect to itself.
type addresses struct {
	listeners map[uint16][]netip.Addr // by port; the unspecified address stands for all
	machine   map[netip.Addr]bool     // addresses of the interfaces at the last Load
}

// addresses returns the addresses of the sockets as they are now. e.mu is held.
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

// owns reports whether a connection to the address would arrive at this program. Any
// goroutine may call owns.
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
