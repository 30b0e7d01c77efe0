//go:build !linux

package relay

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Conn is a net.Conn on a descriptor. There is none on this system.
type Conn struct{ net.Conn }

// NewConn fails with errors.ErrUnsupported: descriptors are for Linux.
func NewConn(fd int, _, _ net.Addr) (*Conn, error) {
	return nil, fmt.Errorf("taking descriptor %d: %w", fd, errors.ErrUnsupported)
}

// CloseWrite is never called.
func (*Conn) CloseWrite() error { return errors.ErrUnsupported }

// Reset is never called.
func (*Conn) Reset() error { return errors.ErrUnsupported }

// SyscallConn is never called.
func (*Conn) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }
