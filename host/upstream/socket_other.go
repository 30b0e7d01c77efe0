//go:build !linux

package upstream

import "syscall"

// lateBind does nothing: only Linux can choose the port later than in bind.
func lateBind(syscall.RawConn) error { return nil }

// sharePort does nothing: elsewhere a local port that is given serves one connection.
func sharePort(syscall.RawConn) error { return nil }

// bindAnyName does nothing: only Linux names sockets by itself. A connection over Unix
// sockets is not followed elsewhere.
func bindAnyName(syscall.RawConn) error { return nil }
