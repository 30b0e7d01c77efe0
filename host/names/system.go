package names

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
)

// System is the system's resolver: /etc/hosts, and the servers of /etc/resolv.conf. On
// Linux Go asks them itself, also in programs with cgo, so that a lookup is sockets which
// can be counted, and which close when nobody waits any more. The zero value is ready.
type System struct {
	// Server is asked in the place of those of the system, "192.0.2.53:53"; "": those.
	Server string

	open atomic.Int64
}

// SocketsPerLookup is the most descriptors that a lookup holds at once: a socket for each
// family, and a file of the system's.
const SocketsPerLookup = 3

// Sockets returns how many sockets lookups hold now.
func (s *System) Sockets() int { return int(s.open.Load()) }

// Lookup implements [Lookup]. It returns when ctx ends, with its sockets closed.
func (s *System) Lookup(ctx context.Context, network, name string) ([]netip.Addr, error) {
	r := net.Resolver{PreferGo: runtime.GOOS == "linux", Dial: s.dial}
	return r.LookupNetIP(ctx, network, name)
}

func (s *System) dial(ctx context.Context, network, server string) (net.Conn, error) {
	if s.Server != "" {
		server = s.Server
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	e := &ending{conn: conn, open: &s.open}
	context.AfterFunc(ctx, func() { _ = e.Close() }) // Go's resolver would read on until its own deadline
	if udp, ok := conn.(*net.UDPConn); ok {
		return &packets{udp, e}, nil // how the resolver knows datagrams from a stream
	}
	return &stream{conn, e}, nil
}

// ending closes a socket once and counts it out.
type ending struct {
	conn net.Conn
	open *atomic.Int64
	once sync.Once
	err  error
}

// Close closes the socket.
func (e *ending) Close() error {
	e.once.Do(func() {
		e.err = e.conn.Close()
		e.open.Add(-1)
	})
	return e.err
}

// packets is a UDP socket to a server.
type packets struct {
	*net.UDPConn
	end *ending
}

// Close closes the socket.
func (p *packets) Close() error { return p.end.Close() }

// stream is a TCP connection to a server.
type stream struct {
	net.Conn
	end *ending
}

// Close closes the connection.
func (s *stream) Close() error { return s.end.Close() }
