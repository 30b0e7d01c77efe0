package capture

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
)

// What is kept of a capture at most.
const (
	maxFlights   = 1024
	maxHead      = 64 << 10 // bytes of one flight
	maxDatagrams = 64       // of one flight
	maxEarly     = 64       // segments of one connection that came before their turn, 64 KiB in all
)

// Flight is what a client said first.
type Flight struct {
	Network string         // "tcp" or "udp"
	Client  netip.AddrPort // who spoke
	Server  netip.AddrPort // to whom
	Head    []byte         // at most 64 KiB; datagrams one after the other
	Bounds  []int          // where each datagram ends; nil for TCP
}

// Flights returns the first flights of a capture, in the order in which the
// connections began, at most 1024 of them. Connections whose client said nothing have
// none. An error says that the file could not be read to its end: what was read before
// is returned as well.
func Flights(r io.Reader) ([]Flight, error) {
	c := &collector{open: map[pair]*stream{}}
	err := packets(r, func(link uint16, packet []byte) {
		if s, ok := decode(link, packet); ok {
			c.segment(&s)
		}
	})
	var flights []Flight
	for _, s := range c.order {
		if len(s.flight.Head) > 0 || len(s.flight.Bounds) > 0 {
			flights = append(flights, s.flight)
		}
	}
	if err != nil {
		return flights, fmt.Errorf("reading the capture: %w", err)
	}
	return flights, nil
}

// pair is the two ends of a connection, the client first.
type pair struct {
	client, server netip.AddrPort
	udp            bool
}

// collector follows the connections of a capture.
type collector struct {
	open  map[pair]*stream
	order []*stream
}

// stream is what is known of one connection.
type stream struct {
	flight   Flight
	answered bool   // by the server, or all there is room for: the flight is over
	begun    bool   // next is known
	next     uint32 // the sequence number of the next byte
	early    []segment
	waiting  int // bytes of early
}

// segment takes in one packet.
func (c *collector) segment(s *segment) {
	there, back := pair{s.from, s.to, s.udp}, pair{s.to, s.from, s.udp}
	if fresh := s.syn && !s.ack; !fresh && !s.syn {
		if st := c.open[there]; st != nil {
			st.add(s)
			return
		}
		if st := c.open[back]; st != nil {
			st.answer(s)
			return
		}
	} else if !fresh {
		return // the server's part of the handshake
	} else if st := c.open[there]; st != nil && st.begun && st.next == s.seq+1 {
		return // the same once more
	}
	c.begin(there, s)
}

// begin follows a connection from here on, if there is something to begin with.
func (c *collector) begin(p pair, s *segment) {
	if len(c.order) == maxFlights || len(s.payload) == 0 && !s.syn && !s.udp {
		return
	}
	network := "tcp"
	if s.udp {
		network = "udp"
	}
	st := &stream{flight: Flight{Network: network, Client: s.from, Server: s.to}}
	c.open[p] = st
	c.order = append(c.order, st)
	if s.syn {
		st.begun, st.next = true, s.seq+1
		s.seq++ // what a SYN carries comes behind it
	}
	st.add(s)
}

// answer ends the flight where the server answers what was said.
func (st *stream) answer(s *segment) {
	if len(s.payload) > 0 && (len(st.flight.Head) > 0 || st.flight.Bounds != nil) {
		st.answered = true
		st.early = nil
	}
}

// add takes in what the client sends.
func (st *stream) add(s *segment) {
	switch {
	case st.answered:
	case s.udp:
		st.datagram(s.payload)
	case len(s.payload) > 0:
		st.take(s)
	}
}

func (st *stream) datagram(b []byte) {
	f := &st.flight
	if len(f.Bounds) == maxDatagrams || len(f.Head)+len(b) > maxHead {
		st.answered = true
		return
	}
	f.Head = append(f.Head, b...)
	f.Bounds = append(f.Bounds, len(f.Head))
}

// take takes in a segment of TCP, and those that waited for it.
func (st *stream) take(s *segment) {
	if !st.begun {
		st.begun, st.next = true, s.seq
	}
	if !st.inOrder(s) {
		if len(st.early) < maxEarly && st.waiting+len(s.payload) <= maxHead {
			s.payload = bytes.Clone(s.payload) // the packet's memory is used again
			st.early = append(st.early, *s)
			st.waiting += len(s.payload)
		}
		return
	}
	for again := true; again; {
		again = false
		for i := range st.early {
			before := st.next
			if st.inOrder(&st.early[i]); st.next != before {
				again = true
			}
		}
	}
}

// inOrder adds what of a segment is new. It says no to one that comes too early.
func (st *stream) inOrder(s *segment) bool {
	ahead := int32(s.seq - st.next) // sequence numbers wrap around
	if ahead > 0 {
		return false
	}
	known := -int64(ahead)
	if known >= int64(len(s.payload)) {
		return true // all of it came before
	}
	fresh := s.payload[known:]
	st.next += uint32(len(fresh))
	room := maxHead - len(st.flight.Head)
	if len(fresh) >= room {
		fresh, st.answered = fresh[:room], true
	}
	st.flight.Head = append(st.flight.Head, fresh...)
	return true
}
