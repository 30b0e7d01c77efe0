// Package upstream is the server behind the proxies that are measured: one thread,
// one epoll, any number of ports, each of which does whatever the header of package
// wire asks for.
//
//	s, err := upstream.Listen(4)
//	fmt.Println(s.Ports())
//	err = s.Serve(ctx)
package upstream

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/epoll"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

const (
	readBuffer = 256 << 10 // bytes taken at once
	sendChunk  = 128 << 10 // bytes offered at once: small enough that other connections have their turn
	tick       = 100 * time.Millisecond
	acceptMany = 64       // connections accepted before others have their turn
	maxPrefix  = 64 << 10 // bytes of a first flight
)

// Server is the upstream. It is for one goroutine.
type Server struct {
	poller  *epoll.Poller
	ports   []uint16
	listens map[int]uint16 // port of a listening descriptor
	conns   map[int]*conn  // by descriptor
	in      []byte
	out     []byte
	answers map[uint16][]byte // of each port: it begins with the port
}

// conn is one connection.
type conn struct {
	fd      int
	port    uint16
	ready   bool // the header has come
	writing bool // waits for room to write
	head    wire.Header
	early   []byte // bytes before the header is whole
	missing int    // Reply: bytes of the request that have not come
	owed    int    // Reply: bytes of answers to be written
	taken   uint64 // Sink: bytes
}

// Listen opens n ports of 127.0.0.1.
func Listen(n int) (*Server, error) {
	p, err := epoll.New(256)
	if err != nil {
		return nil, err
	}
	s := &Server{
		poller: p, listens: map[int]uint16{}, conns: map[int]*conn{},
		in: make([]byte, readBuffer), out: make([]byte, sendChunk), answers: map[uint16][]byte{},
	}
	for range n {
		fd, port, err := epoll.Listen()
		if err == nil {
			err = p.Add(fd, 0, int32(fd), unix.EPOLLIN)
		}
		if err != nil {
			s.close()
			return nil, fmt.Errorf("opening an upstream: %w", err)
		}
		s.listens[fd] = port
		s.ports = append(s.ports, port)
		s.answers[port] = make([]byte, wire.MaxAnswer)
		binary.BigEndian.PutUint16(s.answers[port], port)
	}
	return s, nil
}

// Ports returns the ports, in order.
func (s *Server) Ports() []uint16 { return s.ports }

// Serve serves until ctx ends, and closes everything.
func (s *Server) Serve(ctx context.Context) error {
	defer s.close()
	for ctx.Err() == nil {
		for _, e := range s.poller.Wait(tick) {
			fd := int(e.Fd)
			if c := s.conns[fd]; c != nil {
				if !s.serve(c, e.Events) {
					delete(s.conns, fd)
					epoll.Close(fd)
				}
			} else if port, ok := s.listens[fd]; ok {
				s.accept(fd, port)
			}
		}
	}
	return nil
}

func (s *Server) close() {
	for fd := range s.conns {
		epoll.Close(fd)
	}
	for fd := range s.listens {
		epoll.Close(fd)
	}
	_ = s.poller.Close()
}

func (s *Server) accept(listener int, port uint16) {
	for range acceptMany {
		fd, errno := epoll.Accept(listener)
		if errno != 0 {
			return
		}
		if s.poller.Add(fd, 0, int32(fd), unix.EPOLLIN) != nil {
			epoll.Close(fd)
			continue
		}
		s.conns[fd] = &conn{fd: fd, port: port}
	}
}

// serve does what an event makes possible; false: the connection is over.
func (s *Server) serve(c *conn, events uint32) bool {
	if events&unix.EPOLLOUT != 0 && !s.send(c) {
		return false
	}
	if events&^unix.EPOLLOUT == 0 {
		return true
	}
	if c.ready && c.head.Mode != wire.Reply {
		return s.discard(c)
	}
	n, errno := epoll.Read(c.fd, s.in)
	switch {
	case epoll.Blocked(errno):
		return true
	case errno != 0 || n == 0:
		return false
	case c.ready:
		return s.request(c, n)
	}
	return s.begin(c, s.in[:n])
}

// begin looks for the header.
func (s *Server) begin(c *conn, b []byte) bool {
	if len(c.early) > 0 {
		c.early = append(c.early, b...)
		b = c.early
	}
	h, rest, ok, err := wire.Find(b)
	if err != nil || !ok && len(b) > maxPrefix {
		return false
	}
	if !ok {
		if len(c.early) == 0 {
			c.early = append(c.early, b...)
		}
		return true
	}
	c.early, c.head, c.ready = nil, h, true
	switch h.Mode {
	case wire.Source, wire.Both:
		return s.wantWriting(c, true)
	case wire.Sink:
		c.taken = uint64(len(rest))
		return true
	}
	c.missing = int(h.Request)
	if c.missing == 0 {
		c.owed = int(h.Answer)
		return s.send(c)
	}
	return s.request(c, len(rest))
}

// request counts n bytes of requests and answers those that are whole.
func (s *Server) request(c *conn, n int) bool {
	if c.head.Request == 0 {
		return true
	}
	for n >= c.missing {
		n -= c.missing
		c.missing = int(c.head.Request)
		c.owed += int(c.head.Answer)
	}
	c.missing -= n
	return c.owed == 0 || c.writing || s.send(c)
}

// discard takes what a bulk stream sent.
func (s *Server) discard(c *conn) bool {
	n, errno := epoll.Discard(c.fd, c.turn(s.in))
	if epoll.Blocked(errno) {
		return true
	}
	c.taken += uint64(n)
	if errno == 0 && n == 0 && c.head.Mode == wire.Sink {
		_, _ = epoll.Write(c.fd, binary.BigEndian.AppendUint64(nil, c.taken)) // the load misses it if it is lost
	}
	return errno == 0 && n > 0
}

// turn is as much of a buffer as the header allows to move at once.
func (c *conn) turn(buffer []byte) []byte {
	if n := int(c.head.Chunk); 0 < n && n < len(buffer) {
		return buffer[:n]
	}
	return buffer
}

// send writes what is owed, or as much of an endless stream as fits now.
func (s *Server) send(c *conn) bool {
	if c.head.Mode != wire.Reply {
		_, errno := epoll.Write(c.fd, c.turn(s.out))
		return errno == 0 || epoll.Blocked(errno)
	}
	answer, size := s.answers[c.port], int(c.head.Answer)
	for c.owed > 0 {
		at := (size - c.owed%size) % size // each answer begins with the port
		n, errno := epoll.Write(c.fd, answer[at:size])
		if epoll.Blocked(errno) {
			return s.wantWriting(c, true)
		}
		if errno != 0 {
			return false
		}
		c.owed -= n
	}
	return !c.head.Close && s.wantWriting(c, false)
}

// wantWriting waits for room to write, or no longer. While an answer cannot be
// written no request is read.
func (s *Server) wantWriting(c *conn, want bool) bool {
	if c.writing == want {
		return true
	}
	c.writing = want
	events := uint32(unix.EPOLLIN)
	switch {
	case want && c.head.Mode == wire.Reply:
		events = unix.EPOLLOUT
	case want:
		events |= unix.EPOLLOUT
	}
	return s.poller.Modify(c.fd, 0, int32(c.fd), events) == nil
}
