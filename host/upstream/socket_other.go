//go:build !linux

package upstream

import "syscall"

// lateBind does nothing: only Linux can choose the port later than in bind.
func lateBind(syscall.RawConn) error { return nil }
