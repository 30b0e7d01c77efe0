// Package epoll is how the load and the upstream of a measurement move bytes: raw,
// non-blocking system calls on one thread. They share a processor core, so what they
// save is what the proxy is given; Go's poller would cost more than the proxies do.
//
//	p, err := epoll.New(256)
//	fd, err := epoll.Dial(to, from)
//	err = p.Add(fd, 7, unix.EPOLLIN)
//	for _, e := range p.Wait(time.Second) { … e.Fd is 7 … }
//
// A call that the kernel interrupts counts as one that would block: readiness is
// level-triggered and comes again.
package epoll

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Poller waits for many sockets. It is for one goroutine.
type Poller struct {
	fd     int
	events []unix.EpollEvent
}

// New makes a Poller that returns up to n events at once. Close frees it.
func New(n int) (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll: %w", os.NewSyscallError("epoll_create1", err))
	}
	return &Poller{fd: fd, events: make([]unix.EpollEvent, n)}, nil
}

// Close frees the epoll; sockets stay open.
func (p *Poller) Close() error { return os.NewSyscallError("close", unix.Close(p.fd)) }

// Add waits for events (EPOLLIN and so on) of fd; they come with key in their Fd and
// owner in their Pad.
func (p *Poller) Add(fd int, owner, key int32, events uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, owner, key, events)
}

// Modify changes what is waited for.
func (p *Poller) Modify(fd int, owner, key int32, events uint32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, owner, key, events)
}

func (p *Poller) control(op, fd int, owner, key int32, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: key, Pad: owner}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

// Wait returns the events there are, after at most d. They are valid until the next
// call.
func (p *Poller) Wait(d time.Duration) []unix.EpollEvent {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(max(d.Milliseconds(), 0)), 0, 0)
	if errno != 0 {
		return nil // interrupted: Go preempts with signals
	}
	return p.events[:n]
}

// Blocked reports whether a call would have to wait.
func Blocked(errno unix.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }

// Read is read(2).
func Read(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Write sends b as far as the socket takes it.
func Write(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Discard drops up to len(b) received bytes in the kernel; of a TCP socket it copies
// none of them (MSG_TRUNC, tcp(7)).
func Discard(fd int, b []byte) (int, unix.Errno) {
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(got), 0
}

// Close closes fd.
func Close(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// Abort closes fd with a reset, which leaves no TIME_WAIT behind.
func Abort(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	Close(fd)
}

// Dial begins to connect to an IPv4 address from another one, if that is valid; its
// port is the kernel's choice. On loopback the handshake is over when it returns.
func Dial(to netip.AddrPort, from netip.Addr) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if from.IsValid() {
		if err := bind(fd, from); err != nil {
			Close(fd)
			return -1, err
		}
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	if err != nil && err != unix.EINPROGRESS {
		Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// bind chooses the local address; its port is found at connect(2), when the whole
// pair of addresses is known.
func bind(fd int, from netip.Addr) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}))
}

// NoDelay sets TCP_NODELAY.
func NoDelay(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
}

// Upstreams have ports of servers: below those that the kernel connects from
// (ip_local_port_range, also in the box), where a proxy must make sure that it has not reached itself.
const (
	firstPort = 20000
	lastPort  = 30000
)

// Listen opens a listener at a free port of 127.0.0.1 and returns the port.
func Listen() (fd int, port uint16, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, 0, os.NewSyscallError("socket", err)
	}
	port, err = bindFree(fd)
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, 4096))
	}
	if err != nil {
		Close(fd)
		return -1, 0, err
	}
	return fd, port, nil
}

// bindFree binds fd to a port that nobody has.
func bindFree(fd int) (port uint16, err error) {
	for range 100 {
		port = uint16(firstPort + rand.IntN(lastPort-firstPort))
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)})
		if err != unix.EADDRINUSE {
			break
		}
	}
	return port, os.NewSyscallError("bind", err)
}

// Accept takes a connection from a listener.
func Accept(listener int) (int, unix.Errno) {
	fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), 0
}
