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

// Inherited returns the descriptors that the service manager passes to process pid
// (systemd socket activation: LISTEN_PID, LISTEN_FDS), closed for its children; nil
// if there are none.
func Inherited(getenv func(string) string, pid int) ([]int, error) {
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxInherited {
		return nil, fmt.Errorf("reading LISTEN_FDS: %q is no number of descriptors", getenv("LISTEN_FDS"))
	}
	fds := make([]int, n)
	for i := range fds {
		fds[i] = firstInherited + i
		closeOnExec(fds[i])
	}
	return fds, nil
}

// inherited returns the inherited descriptor whose socket has exactly the address
// of at.
func (o *Opener) inherited(at Spec) (fd int, ok bool) {
	for _, fd := range o.Inherited {
		s, err := fromDescriptor(fd)
		if err != nil {
			continue // of another kind; naming it fd/N says why it cannot be used
		}
		fits := at.fits(s.Addr(), dualStack(fd))
		s.Close()
		if fits {
			return fd, true
		}
	}
	return 0, false
}

// fits says whether a socket with address a is the one that at asks for. A socket
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
	case at.Network == "tcp4" || want.Is4():
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
