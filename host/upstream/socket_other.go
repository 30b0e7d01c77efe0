//go:build !linux

package upstream

import "syscall"

// lateBind is for Linux: elsewhere the port is chosen when the address is bound.
func lateBind(syscall.RawConn) error { return nil }
