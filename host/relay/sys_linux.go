package relay

import (
	"errors"

	"golang.org/x/sys/unix"
)

// canReceive says that receive works here.
const canReceive = true

// tcpClosed is TCP_CLOSE of the kernel: no peer any more.
const tcpClosed = 7

// receive reads what has come, without waiting. An urgent byte (MSG_OOB) is
// skipped by the kernel; a read ends before it and the next begins after it.
func receive(fd uintptr, b []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), b)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), err
		}
	}
}

// unsent returns how many bytes the peer has not acknowledged. It is 0 for a
// connection that is dead, and for every socket but TCP: there, what was
// written is with the peer.
func unsent(fd uintptr) (int, error) {
	if tcp, dead := tcpState(fd); !tcp || dead {
		return 0, nil
	}
	return unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
}

// received returns how many bytes wait to be read.
func received(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// tcpState says whether fd is a TCP connection, and whether it is dead.
func tcpState(fd uintptr) (tcp, dead bool) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, false
	}
	return true, info.State == tcpClosed
}
