package relay

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// errReset stands for a reset that was seen in the socket's state rather than
// returned by a read or a write.
var errReset = fmt.Errorf("asking for the connection's state: %w", syscall.ECONNRESET)

// reasonOf tells a reset from other failures. After the reset itself has been
// reported, to the other half, the kernel says EPIPE to a write and ENOTCONN to
// a shutdown.
func reasonOf(err error) Reason {
	for _, reset := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ENOTCONN} {
		if errors.Is(err, reset) {
			return Reset
		}
	}
	return Broken
}

// side is one end of a link.
type side struct {
	name   Side
	conn   net.Conn        // is read and written; nil if it could not be opened
	socket net.Conn        // conn itself, or what NetConn leads to
	raw    syscall.RawConn // of socket; nil if socket is no descriptor of the kernel
	gone   atomic.Bool     // the end broke: nothing can be written to it
	shut   atomic.Bool     // the end was told, or is being told, that the other one has finished
}

// open fills s in from e.
func (s *side) open(name Side, e Endpoint) error {
	s.name, s.conn = name, e.Conn
	if s.conn == nil {
		c, err := NewConn(e.FD, nil, nil)
		if err != nil {
			return err
		}
		s.conn = c
	}
	s.socket = under(s.conn)
	switch c := s.socket.(type) {
	// Exactly these: a type that merely embeds one may have bytes of its own.
	case *net.TCPConn, *net.UnixConn, *Conn:
		s.raw, _ = c.(syscall.Conn).SyscallConn() // nil with an error, which shows again in the first read
	}
	_ = s.conn.SetDeadline(time.Time{}) // the same
	return nil
}

// under returns the connection at the bottom of c.
func under(c net.Conn) net.Conn {
	for {
		w, ok := c.(NetConner)
		if !ok {
			return c
		}
		next := w.NetConn()
		if next == nil {
			return c
		}
		c = next
	}
}

// past returns a deadline that every Read and Write has missed.
func past() time.Time { return time.Unix(1, 0) }

// wakeReader makes every Read, now and later, return at once.
func (s *side) wakeReader() {
	if s.conn != nil {
		_ = s.conn.SetReadDeadline(past())
	}
}

// wakeWriter makes every Write, now and later, return at once.
func (s *side) wakeWriter() {
	if s.conn != nil {
		_ = s.conn.SetWriteDeadline(past())
	}
}

// closeWrite tells the peer that nothing more will come.
func (s *side) closeWrite() error { return CloseWrite(s.conn) }

// close ends s in order. What the kernel has taken, it still sends.
func (s *side) close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// reset ends s so that its peer knows that the stream was cut. It drops what
// has not been sent.
func (s *side) reset() {
	if s.conn != nil {
		_ = Abort(s.conn)
	}
}

// Abort resets a connection, beneath whatever wraps its socket, so that the peer knows
// that the stream was cut, and closes it. What has not been sent is dropped. Sockets
// that have no reset are closed.
func Abort(conn net.Conn) error {
	if r, ok := conn.(Resetter); ok {
		return r.Reset()
	}
	var err error
	socket := under(conn)
	if r, ok := socket.(Resetter); ok {
		err = r.Reset()
	} else if c, ok := socket.(lingerer); ok {
		err = c.SetLinger(0)
	}
	// The socket first: closing a *tls.Conn says close_notify if it still can.
	_ = socket.Close()
	_ = conn.Close()
	return err
}

// lingerer is implemented by *net.TCPConn: SetLinger(0) makes Close a reset.
type lingerer interface{ SetLinger(sec int) error }

// slam closes the socket while it may be in use.
func (s *side) slam() {
	if s.socket != nil {
		_ = s.socket.Close()
	}
}

// ask calls f with the descriptor, unless there is none or it is closed.
func (s *side) ask(f func(fd uintptr)) {
	if s.raw != nil {
		_ = s.raw.Control(f)
	}
}

// wasReset reports whether the connection is dead although it was not told that the
// other end has finished: the kernel may have given its error to another call.
func (s *side) wasReset() bool {
	var dead bool
	s.ask(func(fd uintptr) { _, dead = tcpState(fd) })
	return dead && !s.shut.Load()
}

// awaitReset waits until s is reset, and reports whether it was: not if the waiting was
// woken, or if s is no TCP connection.
func (s *side) awaitReset() bool {
	if s.raw == nil {
		return false
	}
	var tcp, dead bool
	err := s.raw.Read(func(fd uintptr) bool {
		tcp, dead = tcpState(fd)
		return dead || !tcp
	})
	return err == nil && dead && !s.shut.Load()
}

// unread returns how many bytes wait in the receive queue.
func (s *side) unread() (n int) {
	s.ask(func(fd uintptr) { n = received(fd) })
	return n
}
