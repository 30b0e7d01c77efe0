package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	bulkSize  = 32 << 10 // one read of a busy connection
	smallSize = 4 << 10  // buffer with which a wrapped connection waits
)

// The buffers. Both pools are caches of exact types: nothing else of the
// program's state depends on what is in them.
var (
	bulkPool  = sync.Pool{New: func() any { return new([bulkSize]byte) }}
	smallPool = sync.Pool{New: func() any { return new([smallSize]byte) }}
)

// source is where a half reads.
type source interface {
	// read waits for bytes and returns them, perhaps with the error that came
	// after them. They are valid until release.
	read() ([]byte, error)
	// release gives the buffer back. It may be called without one.
	release()
}

// rawSource reads a plain socket. It waits without a buffer.
type rawSource struct {
	conn syscall.RawConn
	gone *atomic.Bool                 // of the side: once set, nothing more will come
	try  func(fd uintptr) (done bool) // the method attempt, as a value that is allocated once
	buf  *[bulkSize]byte
	n    int
	err  error
}

func (r *rawSource) init(s *side) {
	r.conn, r.gone, r.try = s.raw, &s.gone, r.attempt
}

func (r *rawSource) read() ([]byte, error) {
	if err := r.conn.Read(r.try); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	if r.n == 0 {
		return nil, io.EOF
	}
	return r.buf[:r.n], nil
}

// attempt receives once, and reports whether waiting is over: not while nothing has
// come and something may. It loads gone before it receives: the last bytes and the
// reset behind them may arrive between an empty receive and a later load.
func (r *rawSource) attempt(fd uintptr) bool {
	gone := r.gone.Load()
	r.buf = bulkPool.Get().(*[bulkSize]byte)
	r.n, r.err = receive(fd, r.buf[:])
	if r.err == nil {
		return true
	}
	r.release()
	return gone || !errors.Is(r.err, syscall.EAGAIN)
}

func (r *rawSource) release() {
	if r.buf != nil {
		bulkPool.Put(r.buf)
		r.buf = nil
	}
}

// connSource reads through Read of a net.Conn, which waits with a buffer.
type connSource struct {
	conn  net.Conn
	busy  bool // the last read filled a small buffer
	small *[smallSize]byte
	bulk  *[bulkSize]byte
}

func (c *connSource) read() ([]byte, error) {
	b := c.buffer()
	n, err := c.conn.Read(b)
	c.busy = n >= smallSize
	return b[:n], err
}

func (c *connSource) buffer() []byte {
	if c.busy {
		c.bulk = bulkPool.Get().(*[bulkSize]byte)
		return c.bulk[:]
	}
	c.small = smallPool.Get().(*[smallSize]byte)
	return c.small[:]
}

func (c *connSource) release() {
	if c.small != nil {
		smallPool.Put(c.small)
		c.small = nil
	}
	if c.bulk != nil {
		bulkPool.Put(c.bulk)
		c.bulk = nil
	}
}
