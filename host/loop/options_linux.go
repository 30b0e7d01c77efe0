package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

// Socket options of upstreams. Most connections end before they need one, so options
// are set late.
const (
	// nagleFree is how many bytes fit a segment on every path. Nagle's algorithm holds
	// back bytes that do not fill a segment while earlier ones are unacknowledged.
	nagleFree = 1 << 10
	// keepAliveAfter is the age at which a pair gets keepalive.
	keepAliveAfter = int64(15 * time.Second)

	keepAliveIdle     = 30 // seconds
	keepAliveInterval = 10
	keepAliveProbes   = 3
)

// hurry is called before n bytes are sent to an end. It switches Nagle's algorithm off
// before the second send, and before a first one that may take more than one segment.
// On the loopback one segment takes all bytes of a send.
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

// withoutAck is called for an end that connects and is sent to at once: the first segment
// then acknowledges the handshake, which saves a packet. From there on the kernel delays
// acknowledgements, and a peer with Nagle's algorithm waits for one before it sends the
// second part of an answer; answered ends the delay.
func (e *end) withoutAck() {
	e.set(hushed)
	_ = unix.SetsockoptInt(int(e.fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
}

// answered is called when n bytes were received from an end. It has the kernel
// acknowledge at once, unless FIN has come, after which nothing else comes.
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
