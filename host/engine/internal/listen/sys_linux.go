package listen

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Queued returns a connection that the kernel has accepted already, without
// waiting, or nil when there is none.
func (s *Socket) Queued() (net.Conn, error) {
	fd, err := s.accept()
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

// Shed closes up to n connections that wait and returns how many it closed. It
// needs one free descriptor.
func (s *Socket) Shed(n int) int {
	for i := range n {
		fd, err := s.accept()
		if err != nil || fd < 0 {
			return i
		}
		unix.Close(fd)
	}
	return n
}

// accept returns the descriptor of a connection that waits, or -1.
func (s *Socket) accept() (fd int, err error) {
	raw, err := s.ln.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlled := raw.Control(func(ln uintptr) {
		for {
			fd, _, err = unix.Accept4(int(ln), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ECONNABORTED) {
				return
			}
		}
	})
	switch {
	case controlled != nil:
		return -1, controlled
	case errors.Is(err, unix.EAGAIN):
		return -1, nil
	case err != nil:
		return -1, os.NewSyscallError("accept4", err)
	}
	return fd, nil
}

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

// dualStack says whether an IPv6 socket takes connections over IPv4 too.
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

func reusePort(raw syscall.RawConn, on bool) error {
	value := 0
	if on {
		value = 1
	}
	var err error
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, value)
	}); e != nil {
		return e
	}
	return os.NewSyscallError("setsockopt", err)
}
