package reactor

import (
	"time"

	"golang.org/x/sys/unix"
)

// Socket options of upstreams. Most connections end before they need one: what is
// not set costs nothing.
const (
	// nagleFree bytes fit a segment on every path: Nagle's algorithm holds up what
	// does not fill one while something before it is not acknowledged.
	nagleFree = 1 << 10
	// keepAliveAfter is when a pair is old enough for keepalive.
	keepAliveAfter = int64(15 * time.Second)

	keepAliveIdle     = 30 // seconds
	keepAliveInterval = 10
	keepAliveProbes   = 3
)

// hurry is called before n bytes are sent to an end. Before the second time, and
// before the first if there may be more than one segment, Nagle's algorithm is
// switched off. A loopback segment takes all that is sent at once.
func (e *end) hurry(n int) {
	if !e.is(nagle) {
		return
	}
	if e.is(spoken) || n > nagleFree && !e.is(near) {
		e.clear(nagle)
		_ = unix.SetsockoptInt(int(e.fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	e.set(spoken)
}

// withoutAck is for a socket that connects and sends at once: the first segment
// acknowledges the handshake, which saves a packet. From there on the kernel
// acknowledges as ever.
func withoutAck(fd int32) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
}

// keepAlive has the kernel ask a silent peer whether it is still there.
func keepAlive(fd int32) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes)
}
