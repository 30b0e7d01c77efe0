package relay

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a net.Conn on a descriptor that was accepted or connected by system
// call. Unlike net.FileConn it neither duplicates the descriptor, nor sets
// options, nor asks for names.
type Conn struct {
	file          *os.File
	local, remote net.Addr
}

// NewConn makes a connection of fd, a connected, non-blocking stream socket,
// and owns it from then on, also when it fails. The addresses are what
// LocalAddr and RemoteAddr return; nil where nobody will ask.
func NewConn(fd int, local, remote net.Addr) (*Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	if f == nil {
		return nil, fmt.Errorf("taking descriptor %d: %w", fd, os.ErrInvalid)
	}
	if err := f.SetDeadline(time.Time{}); err != nil { // the poller has not taken the descriptor
		_ = f.Close()
		return nil, fmt.Errorf("taking descriptor %d, which must be a non-blocking socket: %w", fd, err)
	}
	return &Conn{file: f, local: local, remote: remote}, nil
}

// Read reads from the socket, as net.Conn says.
func (c *Conn) Read(b []byte) (int, error) { return c.file.Read(b) }

// Write writes all of b, as net.Conn says.
func (c *Conn) Write(b []byte) (int, error) { return c.file.Write(b) }

// Close closes the descriptor, after Reads and Writes under way have returned.
func (c *Conn) Close() error { return c.file.Close() }

// CloseWrite ends the sending side.
func (c *Conn) CloseWrite() error {
	return c.control("shutting down", func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) })
}

// Reset drops what has not been sent, resets the connection where the protocol
// has a reset, and closes the descriptor.
func (c *Conn) Reset() error {
	err := c.control("setting linger", func(fd int) error {
		return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
	return errors.Join(err, c.Close())
}

// LocalAddr returns what NewConn was given.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns what NewConn was given.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines, as net.Conn says.
func (c *Conn) SetDeadline(t time.Time) error { return c.file.SetDeadline(t) }

// SetReadDeadline sets the deadline of Read, as net.Conn says.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.file.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of Write, as net.Conn says.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.file.SetWriteDeadline(t) }

// SyscallConn gives access to the descriptor. Do not close its number.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.file.SyscallConn() }

// control calls f with the descriptor and returns its error.
func (c *Conn) control(doing string, f func(fd int) error) error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return fmt.Errorf("%s: %w", doing, os.ErrClosed) // the only reason there is
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", doing, os.NewSyscallError("socket", failed))
	}
	return nil
}
