package engine

import (
	"net"
	"net/netip"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
)

// addresses are where this program listens. Sessions ask before they connect, so that the
// program does not connect to itself for ever.
type addresses struct {
	ports map[uint16][]ownAddr // TCP listeners by port
	paths []string             // of Unix listeners, clean

	mu    sync.Mutex
	asked map[string]ownPath // Unix sockets of upstreams, which the configuration names
}

// ownAddr is the address of a TCP listener.
type ownAddr struct {
	addr   netip.Addr // an unspecified one stands for all of its families
	v4, v6 bool       // the families it takes
}

// ownPath is what is known of a path.
type ownPath struct {
	own bool
	at  time.Time
}

// addresses returns the addresses of the sockets as they are now. e.mu is held.
func (e *Engine) addresses() *addresses {
	a := &addresses{ports: map[uint16][]ownAddr{}, asked: map[string]ownPath{}}
	for spec, s := range e.sockets {
		at := addrPort(s.ln.Addr())
		if !at.IsValid() {
			if name := s.ln.Addr().String(); name != "" {
				a.paths = append(a.paths, cleanPath(name))
			}
			continue
		}
		a.ports[at.Port()] = append(a.ports[at.Port()], listening(at.Addr(), spec.Network))
	}
	return a
}

// listening returns the address of a TCP listener with the families that its socket takes.
func listening(at netip.Addr, network string) ownAddr {
	return ownAddr{addr: at, v4: at.Is4() || at.IsUnspecified() && network != "tcp6", v6: at.Is6() && network != "tcp4"}
}

// cleanPath returns a path in one spelling. Abstract names have only one.
func cleanPath(name string) string {
	if strings.HasPrefix(name, "@") {
		return name
	}
	return path.Clean(name)
}

// owns reports whether a connection to the address would arrive at this program. near says
// that the one who asks comes from this machine. Any goroutine may call owns. A port that
// nobody listens on, which is nearly every upstream's, costs a look into a map.
func (e *Engine) owns(at netip.AddrPort, near bool) bool {
	a := e.own.Load()
	if a == nil {
		return false
	}
	to := host.Plain(at).Addr()
	for _, l := range a.ports[at.Port()] {
		if l.addr == to || to.IsUnspecified() && l.takesHere() || l.takesAll(to) && (to.IsLoopback() || e.machine.has(to, near)) {
			return true
		}
	}
	return false
}

// takesHere reports whether the listener takes connections to this machine by no address.
func (l ownAddr) takesHere() bool { return l.addr.IsLoopback() || l.addr.IsUnspecified() }

// takesAll reports whether the listener takes every address of the family of to.
func (l ownAddr) takesAll(to netip.Addr) bool {
	return l.addr.IsUnspecified() && (to.Is4() && l.v4 || to.Is6() && l.v6)
}

// ownsPath is owns for a Unix socket, which may be reached by several paths.
func (e *Engine) ownsPath(name string, near bool) bool {
	a := e.own.Load()
	if a == nil || len(a.paths) == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	known, ok := a.asked[name]
	if !ok || now.Sub(known.at) > newsLast(near, 0) {
		known = ownPath{a.leadsHome(name), now}
		a.asked[name] = known
	}
	return known.own
}

// leadsHome reports whether a path is the socket of a listener.
func (a *addresses) leadsHome(name string) bool {
	clean := cleanPath(name)
	for _, p := range a.paths {
		if p == clean {
			return true
		}
	}
	if strings.HasPrefix(name, "@") {
		return false
	}
	file, err := os.Stat(name)
	if err != nil {
		return false
	}
	for _, p := range a.paths {
		if own, err := os.Stat(p); err == nil && os.SameFile(file, own) {
			return true
		}
	}
	return false
}

// newsLast returns how long it is believed what was found out about this machine at a
// cost. A connection that goes round by an address that was just added asks from this
// machine, from its second round on: it makes a few rounds at most.
func newsLast(near bool, cost time.Duration) time.Duration {
	if near {
		return max(10*time.Millisecond, 20*cost)
	}
	return max(time.Second, 20*cost)
}

// machine is the addresses of this machine's interfaces. The zero value is ready.
type machine struct {
	known atomic.Pointer[interfaces]
	mu    sync.Mutex // held by the one who asks the kernel
}

// interfaces are what the kernel said.
type interfaces struct {
	addrs map[netip.Addr]bool
	at    time.Time
	cost  time.Duration // of asking
}

// has reports whether an interface has the address.
func (m *machine) has(a netip.Addr, near bool) bool {
	k := m.known.Load()
	if k == nil || time.Since(k.at) > newsLast(near, k.cost) {
		k = m.ask(k, near)
	}
	return k.addrs[a]
}

// ask asks the kernel, unless somebody else just did.
func (m *machine) ask(before *interfaces, near bool) *interfaces {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.known.Load(); k != before && time.Since(k.at) <= newsLast(near, k.cost) {
		return k
	}
	began := time.Now()
	k := &interfaces{addrs: map[netip.Addr]bool{}, at: began}
	all, err := net.InterfaceAddrs()
	if err != nil && before != nil {
		k.addrs = before.addrs
	}
	for _, one := range all {
		if p, err := netip.ParsePrefix(one.String()); err == nil {
			k.addrs[p.Addr().Unmap().WithZone("")] = true
		}
	}
	k.cost = time.Since(began)
	m.known.Store(k)
	return k
}
