package graph

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// maxRange is how many ports one address may name: each is a socket.
const maxRange = 1024

// parseListen reads an address to listen on. A range of ports gives a listener
// each. It is an error, at p, that says what to write instead.
func parseListen(text string, p sdk.Pos) ([]Listener, *sdk.Error) {
	network, rest, ok := strings.Cut(text, "/")
	if !ok || strings.ContainsAny(network, ":[") {
		network, rest = "tcp", text
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
		return parseTCP(text, network, rest, p)
	case "unix":
		return parseUnix(text, rest, p)
	case "fd":
		return parseFD(text, rest, p)
	case "udp", "udp4", "udp6", "unixgram", "unixpacket":
		return nil, sdk.Errorf(p, "%q: %s is not in this version: only TCP and Unix stream sockets are served", text, network)
	}
	return nil, sdk.Errorf(p, "unknown network %q in %q: write tcp/, tcp4/, tcp6/, unix/ or fd/", network, text)
}

func parseUnix(text, path string, p sdk.Pos) ([]Listener, *sdk.Error) {
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return nil, sdk.Errorf(p, "%q names a Unix socket by a relative path: write unix//run/app.sock", text)
	}
	return []Listener{{Name: text, Network: "unix", Path: path, Pos: p}}, nil
}

func parseFD(text, number string, p sdk.Pos) ([]Listener, *sdk.Error) {
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil, sdk.Errorf(p, "%q names no inherited descriptor: write fd/3 for the first one systemd passes", text)
	}
	return []Listener{{Name: text, Network: "fd", FD: fd, Pos: p}}, nil
}

func parseTCP(text, network, rest string, p sdk.Pos) ([]Listener, *sdk.Error) {
	host, ports, ok := cutPort(rest)
	if !ok {
		return nil, sdk.Errorf(p, "%q has no port: write %s:443", text, rest)
	}
	addr, err := listenAddr(host, network)
	if err != nil {
		return nil, sdk.Errorf(p, "%q: %s", text, err)
	}
	first, last, err := parsePorts(ports)
	if err != nil {
		return nil, sdk.Errorf(p, "%q: %s", text, err)
	}
	var ls []Listener
	for port := first; port <= last; port++ {
		l := Listener{Name: text, Network: network, Addr: netip.AddrPortFrom(addr, uint16(port)), Pos: p}
		if first != last {
			l.Name = strings.TrimSuffix(text, ports) + strconv.Itoa(port)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// cutPort cuts host:ports at the colon behind which there is no bracket.
func cutPort(s string) (host, ports string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s[i:], ']') >= 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// listenAddr reads the host of a listener; the invalid address is every address.
func listenAddr(host, network string) (netip.Addr, error) {
	switch {
	case host == "" || host == "*":
		return netip.Addr{}, nil
	case host == "localhost" && network == "tcp6":
		return netip.IPv6Loopback(), nil
	case host == "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is no address of this machine: write an IP address, or nothing for all of them", host)
	}
	addr = addr.Unmap()
	if wrong := map[string]bool{"tcp6": addr.Is4(), "tcp4": addr.Is6()}; wrong[network] {
		return netip.Addr{}, fmt.Errorf("%s is no address of %s", addr, network)
	}
	return addr, nil
}

func parsePorts(ports string) (first, last int, err error) {
	from, to, ranged := strings.Cut(ports, "-")
	if !ranged {
		to = from
	}
	a, errA := strconv.ParseUint(from, 10, 16)
	b, errB := strconv.ParseUint(to, 10, 16)
	switch {
	case errA != nil || errB != nil:
		return 0, 0, fmt.Errorf("%q is no port: write a number from 0 to 65535, or a range 1000-1010", ports)
	case a > b:
		return 0, 0, fmt.Errorf("the range %s runs backwards: write %d-%d", ports, b, a)
	case b-a >= maxRange:
		return 0, 0, fmt.Errorf("the range %s has %d ports: name at most %d, each is a socket", ports, b-a+1, maxRange)
	}
	return int(a), int(b), nil
}

// overlaps says whether two listeners would want the same connections: the same
// port, and equal addresses or one of them every address of its family.
func (l *Listener) overlaps(o *Listener) bool {
	if !l.tcp() || !o.tcp() {
		return l.Network == o.Network && l.Path == o.Path && l.FD == o.FD
	}
	if l.Addr.Port() != o.Addr.Port() || l.Addr.Port() == 0 || !l.sharesFamily(o) {
		return false
	}
	a, b := l.Addr.Addr(), o.Addr.Addr()
	return wildcard(a) || wildcard(b) || a == b
}

func (l *Listener) tcp() bool { return strings.HasPrefix(l.Network, "tcp") }

func (l *Listener) sharesFamily(o *Listener) bool {
	v4, v6 := l.families()
	o4, o6 := o.families()
	return v4 && o4 || v6 && o6
}

// families says which IP versions a listener takes connections of.
func (l *Listener) families() (v4, v6 bool) {
	a := l.Addr.Addr()
	switch {
	case l.Network == "tcp4" || a.Is4():
		return true, false
	case l.Network == "tcp6" || a.IsValid() && a != netip.IPv6Unspecified():
		return false, true
	}
	return true, true
}

func wildcard(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }

// Dials says whether a connection to addr would arrive at this listener. A
// wildcard takes those to any address of the machine, of which loopback is the one
// that is known without asking.
func (l *Listener) Dials(addr netip.AddrPort) bool {
	if !l.tcp() || l.Addr.Port() != addr.Port() || addr.Port() == 0 {
		return false
	}
	a := addr.Addr().Unmap()
	if wildcard(l.Addr.Addr()) {
		return a.IsLoopback() || a.IsUnspecified()
	}
	return l.Addr.Addr() == a || a.IsUnspecified() && l.Addr.Addr().IsLoopback()
}
