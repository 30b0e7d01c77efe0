package listen

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Queued returns a connection that the kernel has accepted already, without
// waiting, or nil when there is none.
func (s *Socket) Queued() (net.Conn, error) {
	fd, _, err := s.accept()
	if err != nil || fd < 0 {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "")
	c, err := net.FileConn(file) // of a duplicate
	file.Close()
	if err != nil {
		return nil, err
	}
	keep(c)
	return c, nil
}

// Shed closes up to n connections that wait, calls shed with where each came from (the zero
// value on Unix sockets), and returns how many it closed. It needs one free descriptor.
func (s *Socket) Shed(n int, shed func(netip.AddrPort)) int {
	for i := range n {
		fd, from, err := s.accept()
		if err != nil || fd < 0 {
			return i
		}
		unix.Close(fd)
		shed(peerOf(from))
	}
	return n
}

// peerOf returns a TCP address; the zero value for every other one.
func peerOf(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// accept returns the descriptor of a connection that waits, or -1, and where it comes from.
func (s *Socket) accept() (fd int, from unix.Sockaddr, err error) {
	fd = -1
	err = s.control(func(ln int) error {
		for {
			var err error
			fd, from, err = unix.Accept4(ln, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ECONNABORTED) {
				return os.NewSyscallError("accept4", err)
			}
		}
	})
	if errors.Is(err, unix.EAGAIN) {
		return -1, nil, nil
	}
	return fd, from, err
}

// aside is where the descriptors of event loops' listeners begin. Among the lower
// numbers they leave no gaps, so that a client and its upstream mostly get two that
// lie side by side: one call closes both.
const aside = 256

// Bare returns another descriptor of a stream socket, for an event loop: the one of
// the socket itself is in Go's poller. What it accepts has the keepalive of every
// connection, and sends at once. The caller gives it to Use, or closes it.
func (s *Socket) Bare() (fd int, err error) {
	err = s.control(func(ln int) error {
		kind, err := unix.GetsockoptInt(ln, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil || kind != unix.SOCK_STREAM {
			return errors.ErrUnsupported
		}
		fd, err = unix.FcntlInt(uintptr(ln), unix.F_DUPFD_CLOEXEC, aside)
		if err != nil { // no descriptor may have such a number
			fd, err = unix.FcntlInt(uintptr(ln), unix.F_DUPFD_CLOEXEC, 3)
		}
		return os.NewSyscallError("fcntl", err)
	})
	if err != nil {
		return -1, err
	}
	if _, tcp := s.Addr().(*net.TCPAddr); tcp {
		if err := handDown(fd); err != nil {
			return -1, errors.Join(err, unix.Close(fd))
		}
	}
	return fd, nil
}

// handDown sets the options that the kernel hands on to accepted connections.
func handDown(fd int) error {
	for _, o := range [...]struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepIdle.Seconds())},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepInterval.Seconds())},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepCount},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// Use makes fd, which Bare returned, the socket's only descriptor: an event loop has
// it. Accept and SetDeadline must not be called any more.
func (s *Socket) Use(fd int) {
	s.addr = s.ln.Addr()
	_ = s.ln.Close() // its own number; what listens lives on in fd
	s.bare = fd
}

func closeDescriptor(fd int) error { return os.NewSyscallError("close", unix.Close(fd)) }

// listening returns an error unless fd is a listening stream socket.
func listening(fd int) error {
	on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || on == 0 {
		return errNotListening
	}
	return nil
}

func duplicate(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

func closeOnExec(fd int) { unix.CloseOnExec(fd) }

// dualStack reports whether an IPv6 socket takes connections over IPv4 too.
func dualStack(fd int) bool {
	only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return err == nil && only == 0
}

// inode identifies a socket among all of the machine.
func inode(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Ino
}

func reusePort(fd int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, value))
}

// bear gives a socket the mode that the file has which bind makes of it.
func bear(fd int, mode uint32) error { return os.NewSyscallError("fchmod", unix.Fchmod(fd, mode)) }

// ids returns to whom a file belongs.
func ids(info fs.FileInfo) (uid, gid int) {
	st := info.Sys().(*syscall.Stat_t) // what os.Lstat gives
	return int(st.Uid), int(st.Gid)
}

// usualMode is the mode of a socket file that nobody chose: everything but what the
// umask forbids. There is no way to ask for the umask without changing it, which
// another goroutine that makes a file would notice, but for proc_pid_status(5).
func usualMode() fs.FileMode {
	const otherwise = 0o755
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return otherwise
	}
	_, rest, found := strings.Cut(string(status), "\nUmask:\t")
	text, _, _ := strings.Cut(rest, "\n")
	umask, err := strconv.ParseUint(text, 8, 16)
	if !found || err != nil {
		return otherwise
	}
	return fs.ModePerm &^ fs.FileMode(umask)
}
