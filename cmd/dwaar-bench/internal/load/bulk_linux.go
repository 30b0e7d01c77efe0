package load

import (
	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/epoll"
)

// bulk is the part of Bulk. It takes whatever comes.
type bulk struct {
	*run
	Bulk
	owner  int32
	fds    []int
	chunk  []byte
	counts counts
}

// sendChunk is how many bytes a connection offers at once, unless Chunk says so.
const sendChunk = 128 << 10

func (b *bulk) fill() error {
	if b.fds != nil {
		return nil
	}
	if b.Chunk <= 0 || b.Chunk > sendChunk {
		b.Chunk = sendChunk
	}
	b.fds, b.chunk = make([]int, b.Conns), make([]byte, b.Chunk)
	for i := range b.fds {
		fd, err := b.dial()
		if err != nil {
			return err
		}
		b.fds[i] = fd
		if err := sendAll(fd, b.First); err != nil {
			return err
		}
		events := uint32(unix.EPOLLIN)
		if b.Up {
			events |= unix.EPOLLOUT
		}
		if err := b.poller.Add(fd, b.owner, int32(i), events); err != nil {
			return err
		}
	}
	return nil
}

func (b *bulk) event(slot int32, events uint32) error {
	if b.fds[slot] < 0 {
		return nil
	}
	if events&unix.EPOLLOUT != 0 {
		n, errno := epoll.Write(b.fds[slot], b.chunk)
		b.moved(slot, n, "sending", errno)
	}
	if b.fds[slot] >= 0 && events&^unix.EPOLLOUT != 0 {
		n, errno := epoll.Discard(b.fds[slot], b.buffer[:2*b.Chunk])
		if errno == 0 && n == 0 {
			errno = unix.ECONNABORTED // nobody ends these streams but this side
		}
		b.moved(slot, n, "receiving", errno)
	}
	return nil
}

// moved counts bytes, and a connection that broke.
func (b *bulk) moved(slot int32, n int, doing string, errno unix.Errno) {
	if b.measuring {
		b.counts.Bytes += int64(n)
	}
	if errno != 0 && !epoll.Blocked(errno) {
		b.counts.fail(doing, errno)
		epoll.Close(b.fds[slot])
		b.fds[slot] = -1
	}
}

func (b *bulk) done() bool { return true }

func (b *bulk) end(s *Sample) {
	for _, fd := range b.fds {
		if fd >= 0 {
			epoll.Abort(fd)
		}
	}
	s.Bulk = b.counts.report()
}
