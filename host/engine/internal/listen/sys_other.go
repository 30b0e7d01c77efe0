//go:build !linux

package listen

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"
)

// pollTime is how long Queued gives the kernel to hand over what waits.
const pollTime = time.Millisecond

// Queued returns a connection that the kernel has accepted already, or nil when
// there is none. After it the socket is awake as after Wake.
func (s *Socket) Queued() (net.Conn, error) {
	s.SetDeadline(time.Now().Add(pollTime))
	c, err := s.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nil
	}
	return c, err
}

// Shed closes up to n connections that wait, calls shed with where each came from (the zero
// value on Unix sockets), and returns how many it closed. It needs one free descriptor.
func (s *Socket) Shed(n int, shed func(netip.AddrPort)) int {
	defer s.SetDeadline(time.Time{})
	for i := range n {
		c, err := s.Queued()
		if err != nil || c == nil {
			return i
		}
		c.Close()
		from, _ := c.RemoteAddr().(*net.TCPAddr)
		if from == nil {
			from = &net.TCPAddr{}
		}
		shed(from.AddrPort())
	}
	return n
}

// Inherited sockets are for service managers, which elsewhere do not exist.

func listening(int) error { return errors.ErrUnsupported }

func duplicate(int) (int, error) { return 0, errors.ErrUnsupported }

func closeOnExec(int) {}

func dualStack(int) bool { return false }

func inode(int) uint64 { return 0 }

func reusePort(int, bool) error { return errors.ErrUnsupported }

func findHolder(Spec) (who string, self bool) { return "", false }

// Bare is for Linux.
func (s *Socket) Bare() (fd int, err error) { return -1, errors.ErrUnsupported }

// Use is for Linux.
func (s *Socket) Use(int) {}

func closeDescriptor(int) error { return errors.ErrUnsupported }

// bear is for Linux.
func bear(int, uint32) error { return errors.ErrUnsupported }

// ids returns those of the process: whose a file is is not looked at here.
func ids(fs.FileInfo) (uid, gid int) { return os.Geteuid(), os.Getegid() }

// usualMode is the usual one.
func usualMode() fs.FileMode { return 0o755 }
