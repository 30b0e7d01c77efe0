package loop

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the loop. Short ones are made without telling the scheduler, which
// costs as much as a small recv.

// tcpClosed is the state TCP_CLOSE of the kernel: the connection is over.
const tcpClosed = 7

// recv receives what has come, without waiting. The kernel skips an urgent byte: one
// recv ends before that byte and the next begins after it.
func recv(fd int32, b []byte, flags int) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// send sends as much of b as the socket takes without waiting.
func send(fd int32, b []byte, flags int) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL), 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// splice moves up to n bytes between a socket and a pipe. The call may take a
// millisecond, so the scheduler is told: a garbage collection must not wait so long.
func splice(from, to int32, n int) (int, unix.Errno) {
	for {
		m, _, errno := unix.Syscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n),
			unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch errno {
		case 0:
			return int(m), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// poll takes events without waiting.
func poll(epoll int, events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// wait waits for events, at most so many milliseconds; -1: without limit.
func wait(epoll int, events []unix.EpollEvent, milliseconds int) int {
	n, err := unix.EpollWait(epoll, events, milliseconds)
	if err != nil {
		return 0 // EINTR: the loop comes again
	}
	return n
}

// control is epoll_ctl(2) for the events of fd, with key k.
func control(epoll, op int, fd int32, events uint32, k key) unix.Errno {
	e := k.event()
	e.Events = events
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// socketError returns and clears the error of fd.
func socketError(fd int32) unix.Errno {
	n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return 0
	}
	return unix.Errno(n)
}

// unsent returns how many bytes the peer has not acknowledged. That is 0 for a dead
// connection, and for every socket but TCP, where the peer has what was written.
func unsent(fd int32) int {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.State == tcpClosed {
		return 0
	}
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// received returns how many bytes wait to be read.
func received(fd int32) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// finishSending is shutdown(2) of the sending side.
func finishSending(fd int32) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}

// blocking reports whether calls without a flag against it would block on fd.
func blocking(fd int32) bool {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err != nil || n&unix.O_NONBLOCK == 0
}

// closeFD closes fd. The kernel still sends what it has taken; with abort it drops that
// and resets the connection.
func closeFD(fd int32, abort bool) {
	if fd < 0 {
		return
	}
	if abort {
		_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	_ = unix.Close(int(fd))
}

// closeBoth closes two descriptors, by one call where their numbers are neighbours, as
// those of a client and its upstream often are.
func closeBoth(a, b int32, abortA, abortB bool) {
	if abortA || abortB || a < 0 || b < 0 || a-b != 1 && b-a != 1 {
		closeFD(a, abortA)
		closeFD(b, abortB)
		return
	}
	if unix.CloseRange(uint(min(a, b)), uint(max(a, b)), 0) != nil { // Linux before 5.9
		closeFD(a, false)
		closeFD(b, false)
	}
}

// newEpoll makes an epoll and the eventfd that wakes it. The eventfd is
// registered edge-triggered: each write is an event, and nobody reads the count.
func newEpoll() (epoll, wake int, err error) {
	epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return 0, 0, fmt.Errorf("making an epoll: %w", os.NewSyscallError("epoll_create1", err))
	}
	wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return 0, 0, fmt.Errorf("making an eventfd: %w", os.NewSyscallError("eventfd2", err))
	}
	e := wakeKey().event()
	e.Events = unix.EPOLLIN | unix.EPOLLET
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &e); err != nil {
		_, _ = unix.Close(epoll), unix.Close(wake)
		return 0, 0, fmt.Errorf("registering the eventfd: %w", os.NewSyscallError("epoll_ctl", err))
	}
	return epoll, wake, nil
}

// ring wakes the epoll that an eventfd is registered with.
func ring(wake int) {
	_, _ = unix.Write(wake, binary.NativeEndian.AppendUint64(nil, 1))
}
