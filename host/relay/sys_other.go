//go:build !linux

package relay

import "errors"

// canReceive reports whether receive works on this system. Where it does not, a half
// reads through net.Conn.
const canReceive = false

// receive is never called.
func receive(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

// unsent is not known on this system: the end that did not break is closed in order,
// not reset.
func unsent(uintptr) (int, error) { return 0, errors.ErrUnsupported }

// received is not known on this system.
func received(uintptr) int { return 0 }

// tcpState is not known on this system.
func tcpState(uintptr) (tcp, dead bool) { return false, false }
