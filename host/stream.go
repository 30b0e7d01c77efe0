package host

import (
	"errors"
	"net"
)

// stream is a Conn as a net.Conn: the head, then the socket.
type stream struct {
	net.Conn
	c *Conn
}

// Read returns head bytes while there are any.
func (s *stream) Read(p []byte) (int, error) {
	if head := s.c.flow.Head; len(head) > 0 {
		n := copy(p, head)
		s.c.Discard(n)
		return n, nil
	}
	if s.c.end != nil {
		return 0, s.c.end
	}
	return s.Conn.Read(p)
}

// NetConn returns what lies beneath, for whoever must reset it.
func (s *stream) NetConn() net.Conn { return s.Conn }

// CloseWrite tells the other side that no more bytes will come.
func (s *stream) CloseWrite() error {
	if w, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}
