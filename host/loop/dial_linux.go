package loop

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Dial connects to an upstream without waiting, and closes the upstream of an earlier
// attempt. With a nil error the upstream stands, and the first sent bytes of b were
// sent. With ErrPending nothing of b is sent or kept, and Events.Connected will be
// called. Any other error, a *net.OpError as package net makes it, ends the attempt.
//
// Between two addresses of this machine the handshake is over, or refused, before
// connect returns: a send shows which.
func (c *Client) Dial(d Dial, b []byte) (sent int, err error) {
	r, i, s := c.at()
	if s == nil {
		return 0, net.ErrClosed
	}
	r.hangUp(i, s)
	r.pass(s, held)
	if d.Network == "unix" {
		err = r.dialUnix(s, &d)
	} else {
		err = r.dialTCP(s, &d, len(b) > 0)
	}
	if stands := err == nil || err == unix.EINPROGRESS && s.ends[1].is(near); stands && len(b) > 0 {
		sent, err = r.sendFirst(s, b)
	}
	if err == unix.EINPROGRESS {
		err = r.pend(i, s, &d)
	}
	if err != nil && err != ErrPending {
		r.hangUp(i, s)
		return 0, d.failed(err)
	}
	c.link.counts[0].Store(int64(sent))
	return sent, err
}

// sendFirst sends the first bytes to an upstream that probably stands.
func (r *loop) sendFirst(s *slot, b []byte) (int, error) {
	up := &s.ends[1]
	up.hurry(len(b))
	n, errno := send(up.fd, b, 0)
	switch {
	case errno == unix.EAGAIN && up.is(tcp):
		return 0, unix.EINPROGRESS
	case errno == unix.EAGAIN:
		return 0, nil
	case errno != 0:
		return 0, os.NewSyscallError("connect", errno)
	case r.toItself(s):
		return 0, os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	return n, nil
}

// pend has the epoll report when the upstream stands.
func (r *loop) pend(i int32, s *slot, d *Dial) error {
	s.ends[1].set(spacious) // EPOLLOUT reports that the upstream stands
	if errno := r.enter(i, s, 1); errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	s.until = 0
	if d.Timeout > 0 {
		s.until = after(r.now, int64(d.Timeout))
	}
	r.pass(s, connecting)
	r.rearm(i, s)
	return ErrPending
}

// failed returns the error of an attempt that failed with err.
func (d *Dial) failed(err error) error {
	if d.Network == "unix" {
		return dialError("unix", &net.UnixAddr{Net: "unix", Name: d.Path}, err)
	}
	return dialError("tcp", net.TCPAddrFromAddrPort(d.Addr), err)
}

// dialError returns the error of an attempt as package net makes it.
func dialError(network string, to net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: network, Addr: to, Err: err}
}

// dialUnix connects end 1 to a Unix socket, which succeeds or fails at once.
func (r *loop) dialUnix(s *slot, d *Dial) error {
	name := d.Path
	if strings.HasPrefix(name, "@") {
		name = "\x00" + name[1:]
	}
	fd, errno := socket(unix.AF_UNIX)
	if errno != 0 {
		return os.NewSyscallError("socket", errno)
	}
	s.ends[1].fd = fd
	s.ends[1].set(wary)
	for {
		err := unix.Connect(int(fd), &unix.SockaddrUnix{Name: name})
		if err != unix.EINTR {
			return os.NewSyscallError("connect", err)
		}
	}
}

// dialTCP begins to connect end 1. speaks reports whether bytes are sent to the upstream
// at once. The error is EINPROGRESS, unwrapped, while the handshake goes on.
func (r *loop) dialTCP(s *slot, d *Dial, speaks bool) error {
	to := d.Addr.Addr().Unmap()
	if !to.IsValid() {
		return os.NewSyscallError("connect", unix.EADDRNOTAVAIL)
	}
	family := unix.AF_INET6
	if to.Is4() {
		family = unix.AF_INET
	}
	fd, errno := socket(family)
	if errno != 0 {
		return os.NewSyscallError("socket", errno)
	}
	up := &s.ends[1]
	up.fd = fd
	up.set(tcp | nagle)
	if to.IsLoopback() {
		up.set(near)
	}
	s.to = pointOf(to, d.Addr.Port())
	if d.Local.IsValid() {
		if err := r.bind(fd, d.Local); err != nil {
			return err
		}
	}
	if speaks {
		up.withoutAck()
	}
	r.peer.set(to, d.Addr.Port())
	switch errno := connect(fd, &r.peer); errno {
	case 0:
		return nil
	case unix.EINPROGRESS:
		return unix.EINPROGRESS
	default:
		return os.NewSyscallError("connect", errno)
	}
}

// bind has fd connect from an address. Only the two addresses and two ports together need
// to be unused: a port that is 0 the kernel chooses in connect, another one is shared.
func (r *loop) bind(fd int32, from netip.AddrPort) error {
	level, option := unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT
	if from.Port() != 0 {
		level, option = unix.SOL_SOCKET, unix.SO_REUSEADDR
	}
	_ = unix.SetsockoptInt(int(fd), level, option, 1)
	r.peer.set(from.Addr().Unmap(), from.Port())
	return os.NewSyscallError("bind", bind(fd, &r.peer))
}

// toItself reports whether the upstream's socket is its own peer: where nobody listens,
// the kernel lets a socket connect to the port that the socket has just been given.
func (r *loop) toItself(s *slot) bool {
	if !s.ends[1].is(tcp) || s.to.port < r.low || s.to.port > r.high {
		return false
	}
	return sockName(s.ends[1].fd, &r.peer) == 0 && r.peer.addrPort() == s.to.addrPort()
}

// point is an address and a port without a pointer.
type point struct {
	addr16 [16]byte
	port   uint16
}

func pointOf(a netip.Addr, port uint16) point { return point{a.As16(), port} }

func (p point) addrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(p.addr16).Unmap(), p.port)
}

// addr returns p as an error has it.
func (p point) addr() net.Addr { return net.TCPAddrFromAddrPort(p.addrPort()) }

// ephemeralPorts returns the range of ports that the kernel connects from.
func ephemeralPorts() (low, high uint16) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	words := strings.Fields(string(b))
	if err != nil || len(words) != 2 {
		return 1, 65535
	}
	from, err1 := strconv.ParseUint(words[0], 10, 16)
	to, err2 := strconv.ParseUint(words[1], 10, 16)
	if err1 != nil || err2 != nil {
		return 1, 65535
	}
	return uint16(from), uint16(to)
}
