//go:build !linux

package relay

import "errors"

// canReceive says that receive works here. Where it does not, a half reads
// through net.Conn.
const canReceive = false

// receive is not used.
func receive(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

// unsent is not known: a broken link is then closed in order, not reset.
func unsent(uintptr) (int, error) { return 0, errors.ErrUnsupported }

// received is not known.
func received(uintptr) int { return 0 }

// tcpState is not known.
func tcpState(uintptr) (tcp, dead bool) { return false, false }
