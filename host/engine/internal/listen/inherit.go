package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// firstInherited is where systemd begins (sd_listen_fds(3)).
const firstInherited = 3

// maxInherited bounds what the environment can make us look at.
const maxInherited = 4096

// Descriptor is a socket that the service manager passed. It stays open, so that a later
// configuration can name it.
type Descriptor struct {
	FD   int
	Name string // FileDescriptorName= of systemd; "": none is known
}

// String returns what messages call it, "fd/3" or "fd/3 (web)".
func (d Descriptor) String() string {
	if d.Name == "" {
		return "fd/" + strconv.Itoa(d.FD)
	}
	return fmt.Sprintf("fd/%d (%s)", d.FD, d.Name)
}

// Inherited returns what the service manager passes to process pid (systemd socket
// activation: LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES), closed for its children; nil if
// there is nothing.
func Inherited(getenv func(string) string, pid int) ([]Descriptor, error) {
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxInherited {
		return nil, fmt.Errorf("reading LISTEN_FDS: %q is no number of descriptors", getenv("LISTEN_FDS"))
	}
	names := make([]string, n)
	if list := getenv("LISTEN_FDNAMES"); list != "" {
		if names = strings.Split(list, ":"); len(names) != n {
			return nil, fmt.Errorf("reading LISTEN_FDNAMES: %q has %d names for %d descriptors", list, len(names), n)
		}
	}
	all := make([]Descriptor, n)
	for i := range all {
		all[i] = Descriptor{firstInherited + i, names[i]}
		closeOnExec(all[i].FD)
	}
	return all, nil
}

// numbered returns the descriptor that at names by its number or its name.
func (o *Opener) numbered(at Spec) (int, error) {
	if at.Path == "" {
		return at.FD, nil
	}
	var found []string
	fd := 0
	for _, d := range o.Inherited {
		if d.Name == at.Path {
			fd = d.FD
			found = append(found, "fd/"+strconv.Itoa(d.FD))
		}
	}
	switch {
	case len(found) == 1:
		return fd, nil
	case len(found) > 1:
		return 0, fmt.Errorf("%d inherited descriptors have that name: write %s, or give each a FileDescriptorName= of its own", len(found), strings.Join(found, " "))
	case len(o.Inherited) == 0:
		return 0, errors.New("the service manager passes no descriptor: start the .socket unit, or write an address")
	}
	return 0, fmt.Errorf("no inherited descriptor has that name: there are %s", o.list())
}

// list names the inherited descriptors.
func (o *Opener) list() string {
	all := make([]string, len(o.Inherited))
	for i, d := range o.Inherited {
		all[i] = d.String()
	}
	return strings.Join(all, ", ")
}

// inherited returns the inherited descriptor whose socket has exactly the address
// of at.
func (o *Opener) inherited(at Spec) (fd int, ok bool) {
	for _, d := range o.Inherited {
		a, dual, err := addressOf(d.FD)
		if err != nil {
			continue // of another kind; naming it fd/N says why it cannot be used
		}
		if at.fits(a, dual) {
			return d.FD, true
		}
	}
	return 0, false
}

// addressOf returns where an inherited socket listens, and whether it takes IPv4
// beside IPv6.
func addressOf(fd int) (a net.Addr, dual bool, err error) {
	s, err := fromDescriptor(fd)
	if err != nil {
		return nil, false, err
	}
	defer s.Close()
	return s.Addr(), dualStack(fd), nil
}

// inTheWay says which inherited socket has the port of at and is not what at asks for;
// "": none.
func (o *Opener) inTheWay(at Spec) string {
	for _, d := range o.Inherited {
		a, dual, err := addressOf(d.FD)
		tcp, ok := a.(*net.TCPAddr)
		if err != nil || !ok || tcp.AddrPort().Port() != at.Addr.Port() {
			continue
		}
		is := "tcp/" + tcp.String()
		if have := tcp.AddrPort().Addr(); have.IsUnspecified() && dual {
			is = ":" + strconv.Itoa(tcp.Port) // as a configuration has it
		}
		return fmt.Sprintf("the inherited socket %s listens on %s: write that, or fd/%d", d, strings.TrimPrefix(is, "tcp/"), d.FD)
	}
	return ""
}

// fits reports whether a socket with address a is the one that at asks for. A socket
// that would take fewer connections than asked for, or more, is not.
func (at Spec) fits(a net.Addr, dual bool) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return strings.HasPrefix(at.Network, "tcp") && at.fitsTCP(a.AddrPort(), dual)
	case *net.UnixAddr:
		return a.Net == at.Network && a.Name == at.Path
	}
	return false
}

func (at Spec) fitsTCP(have netip.AddrPort, dual bool) bool {
	want := at.Addr.Addr()
	switch {
	case have.Port() != at.Addr.Port():
		return false
	case want.IsValid() && !want.IsUnspecified():
		return have.Addr().Unmap() == want.Unmap()
	case at.Network == "tcp4":
		return have.Addr() == netip.IPv4Unspecified()
	}
	return have.Addr() == netip.IPv6Unspecified() && dual == (at.Network == "tcp")
}

// fromDescriptor returns the socket behind an inherited descriptor, which itself
// stays open, so that a later configuration can name it again.
func fromDescriptor(fd int) (*Socket, error) {
	if err := listening(fd); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	own, err := duplicate(fd)
	if err != nil {
		return nil, fmt.Errorf("duplicating descriptor %d: %w", fd, err)
	}
	file := os.NewFile(uintptr(own), "fd/"+strconv.Itoa(fd))
	ln, err := net.FileListener(file) // of another duplicate
	file.Close()
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	if unix, ok := ln.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // the file belongs to whoever opened the socket
	}
	l, ok := ln.(listener)
	if !ok {
		ln.Close()
		return nil, fmt.Errorf("descriptor %d: %w", fd, errNotListening)
	}
	s := newSocket(l)
	s.keepAlive = true
	return s, nil
}

var errNotListening = errors.New("no listening stream socket: name one that the service manager passes (systemd: ListenStream=)")
