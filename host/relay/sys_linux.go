package relay

import (
	"errors"

	"golang.org/x/sys/unix"
)

// canReceive reports whether receive works on this system.
const canReceive = true

// tcpClosed is the state TCP_CLOSE of the kernel: the connection is over.
const tcpClosed = 7

// receive reads what has come, without waiting. The kernel skips an urgent byte
// (MSG_OOB): one read ends before that byte and the next begins after it.
func receive(fd uintptr, b []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), b)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), err
		}
	}
}

// unsent returns how many bytes the peer has not acknowledged. That is 0 for a dead
// connection, and for every socket but TCP, where the peer has what was written.
func unsent(fd uintptr) (int, error) {
	if tcp, dead := tcpState(fd); !tcp || dead {
		return 0, nil
	}
	return unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
}

// received returns how many bytes wait to be read.
func received(fd uintptr) int {
	n, _ := unix.IoctlGetInt(int(fd), unix.SIOCINQ) // 0 with an error
	return n
}

// tcpState reports whether fd is a TCP connection, and whether that one is dead.
func tcpState(fd uintptr) (tcp, dead bool) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, false
	}
	return true, info.State == tcpClosed
}
