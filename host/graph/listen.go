package graph

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/host"
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

// parseUnix reads a path and, behind a bar, the mode of its file, as caddy-l4 has it:
// unix//run/app.sock|0660.
func parseUnix(text, rest string, p sdk.Pos) ([]Listener, *sdk.Error) {
	path, mode, withMode := strings.Cut(rest, "|")
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return nil, sdk.Errorf(p, "%q names a Unix socket by a relative path: write unix//run/app.sock", text)
	}
	l := Listener{Name: strings.TrimSuffix(text, "|"+mode), Network: "unix", Path: path, Pos: p, Access: Access{Owner: -1, Group: -1}}
	if !withMode {
		return []Listener{l}, nil
	}
	if path[0] == '@' {
		return nil, sdk.Errorf(p, "%q: a name in the abstract namespace has no file and no mode: leave |%s out, or write a path", text, mode)
	}
	bits, err := strconv.ParseUint(mode, 8, 16)
	if err != nil || bits > 0o777 || bits&0o222 == 0 {
		return nil, sdk.Errorf(p, "%q: %q is no mode of a socket, which needs w for whoever connects: write |0660 for its user and group, |0666 for everybody", text, mode)
	}
	l.Access.Mode = fs.FileMode(bits)
	return []Listener{l}, nil
}

// parseFD reads an inherited descriptor: its number, or the name that the service
// manager gives it.
func parseFD(text, name string, p sdk.Pos) ([]Listener, *sdk.Error) {
	const first = 3 // behind standard input, output and error (sd_listen_fds(3))
	fd, err := strconv.Atoi(name)
	switch {
	case err == nil && fd >= first:
		return []Listener{{Name: text, Network: "fd", FD: fd, Pos: p}}, nil
	case err == nil || name == "" || strings.ContainsAny(name, ":/"):
		return nil, sdk.Errorf(p, "%q names no inherited descriptor: write fd/3 for the first one systemd passes, or fd/NAME with its FileDescriptorName=", text)
	}
	return []Listener{{Name: text, Network: "fd", Path: name, Pos: p}}, nil
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
		l := Listener{Name: text, Network: family(network, addr), Addr: netip.AddrPortFrom(addr, uint16(port)), Pos: p}
		if first != last {
			l.Name = strings.TrimSuffix(text, ports) + strconv.Itoa(port)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// family narrows a network to what an address in it is of. Everybody who asks which
// connections a listener takes, and the kernel, goes by what is decided here: an IPv4
// address takes IPv4, an IPv6 address, [::] as well, takes IPv6, and no address at all
// takes both.
func family(network string, addr netip.Addr) string {
	switch {
	case network != "tcp" || !addr.IsValid():
		return network
	case addr.Is4():
		return "tcp4"
	}
	return "tcp6"
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
	if needsZone(addr) {
		return netip.Addr{}, fmt.Errorf("%s is a link-local address, and every interface may have it: write the interface as well, [%[1]s%%eth0]", addr)
	}
	if wrong := map[string]bool{"tcp6": addr.Is4(), "tcp4": addr.Is6()}; wrong[network] {
		return netip.Addr{}, fmt.Errorf("%s is no address of %s", addr, network)
	}
	return addr, nil
}

// needsZone reports whether an address means nothing without the interface it is of (RFC
// 4007, section 6).
func needsZone(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" }

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
	case ranged && a == 0:
		return 0, 0, fmt.Errorf("the range %s begins with 0, which is any free port: begin with 1", ports)
	case a > b:
		return 0, 0, fmt.Errorf("the range %s runs backwards: write %d-%d", ports, b, a)
	case b-a >= maxRange:
		return 0, 0, fmt.Errorf("the range %s has %d ports: name at most %d, each is a socket", ports, b-a+1, maxRange)
	}
	return int(a), int(b), nil
}

// families says which IP versions a listener takes connections of.
func (l *Listener) families() (v4, v6 bool) { return l.Network != "tcp6", l.Network != "tcp4" }

// takes reports whether an address is of a family that the listener takes.
func (l *Listener) takes(a netip.Addr) bool {
	v4, v6 := l.families()
	return a.Is4() && v4 || a.Is6() && v6
}

func (l *Listener) tcp() bool { return strings.HasPrefix(l.Network, "tcp") }

// everyAddress reports whether a listener takes connections to every address of its
// families.
func (l *Listener) everyAddress() bool { return wildcard(l.Addr.Addr()) }

func wildcard(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }

// Dials reports whether a connection to a target would arrive at this listener. A
// wildcard takes those to any address of the machine, of which loopback is the one
// that is known without asking.
func (l *Listener) Dials(to host.Target) bool {
	if !to.Addr.IsValid() {
		return l.Network == "unix" && path.Clean(l.Path) == path.Clean(to.Path)
	}
	return l.dials(to.Addr)
}

// dials is Dials for a TCP address.
func (l *Listener) dials(addr netip.AddrPort) bool {
	if !l.tcp() || l.Addr.Port() != addr.Port() || addr.Port() == 0 {
		return false
	}
	a := addr.Addr().Unmap()
	if !l.takes(a) {
		return false
	}
	if l.everyAddress() {
		return a.IsLoopback() || a.IsUnspecified()
	}
	return l.Addr.Addr() == a || a.IsUnspecified() && l.Addr.Addr().IsLoopback()
}
