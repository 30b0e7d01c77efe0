package relaytest

import (
	"net"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"dwaar.dev/dwaar/host/relay"
)

// bareDescriptors reports whether an Endpoint may be a descriptor here.
const bareDescriptors = true

// bare turns the relay's end into a descriptor that no net.Conn refers to.
func bare(dial func(testing.TB) (relay.Endpoint, *peer)) func(testing.TB) (relay.Endpoint, *peer) {
	return func(t testing.TB) (relay.Endpoint, *peer) {
		t.Helper()
		e, p := dial(t)
		fd := -1
		control(t, e.Conn, func(number uintptr) {
			n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, number, syscall.F_DUPFD_CLOEXEC, 3)
			if errno == 0 {
				fd = int(n)
			}
		})
		if fd < 0 {
			t.Fatal("duplicating the descriptor failed")
		}
		if err := e.Conn.Close(); err != nil {
			t.Fatalf("closing the original: %v", err)
		}
		return relay.Endpoint{FD: fd}, p
	}
}

// socketpair makes a connection without names, as cheaply as there is: an end
// for the relay and the number of the other one.
func socketpair(t testing.TB) (relay.Endpoint, int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("making a socket pair: %v", err)
	}
	return relay.Endpoint{FD: fds[0]}, fds[1]
}

func control(t testing.TB, c net.Conn, f func(fd uintptr)) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(f)
	}
	if err != nil {
		t.Fatalf("reaching the descriptor: %v", err)
	}
}

// sendUrgent sends one byte as urgent data.
func sendUrgent(t testing.TB, c net.Conn, b byte) {
	t.Helper()
	var err error
	control(t, c, func(fd uintptr) {
		_, err = syscall.SendmsgN(int(fd), []byte{b}, nil, nil, syscall.MSG_OOB)
	})
	if err != nil {
		t.Fatalf("sending urgent data: %v", err)
	}
}

// awaitSent waits until the other kernel has everything that was written to c.
func awaitSent(t testing.TB, c net.Conn) {
	t.Helper()
	if _, ok := c.(*net.TCPConn); !ok {
		return // a Unix socket has it when Write returns
	}
	for deadline := time.Now().Add(patience); queued(t, c) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes were never taken", queued(t, c))
		}
		time.Sleep(time.Millisecond) // nothing announces an acknowledgement
	}
}

// queued is SIOCOUTQ, or 0 for a connection that is dead: there the kernel
// still reports what it has thrown away.
func queued(t testing.TB, c net.Conn) int {
	t.Helper()
	const tcpClosed = 7
	var n int32
	var info [1]byte // the state is the first field of struct tcp_info
	control(t, c, func(fd uintptr) {
		size := uint32(len(info))
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 || info[0] == tcpClosed {
			return
		}
		if _, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n))); errno != 0 {
			n = 0
		}
	})
	return int(n)
}

func closeDescriptor(fd int) { _ = syscall.Close(fd) }
