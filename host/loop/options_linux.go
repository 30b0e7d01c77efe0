package loop

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

// withoutAck is for an end that connects and is sent to at once: the first segment
// acknowledges the handshake, which saves a packet. From there on the kernel takes
// its time with acknowledgements, for which a peer with Nagle's algorithm waits
// before it sends the second part of an answer; answered ends that.
func (e *end) withoutAck() {
	e.set(hushed)
	_ = unix.SetsockoptInt(int(e.fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
}

// answered is called when n bytes were received from an end: what has come and what
// may come is acknowledged at once. After FIN nothing comes.
func (e *end) answered(n int) {
	if n == 0 || !e.is(hushed) {
		return
	}
	e.clear(hushed)
	if !e.is(eof) {
		_ = unix.SetsockoptInt(int(e.fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}
}

// keepAlive has the kernel ask a silent peer whether it is still there.
func keepAlive(fd int32) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes)
}
