package explain

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// negotiated is a connection inside TLS.
type negotiated interface{ ConnectionState() tls.ConnectionState }

// clients are the clients in memory of one connection.
type clients struct {
	ends    []net.Conn
	running sync.WaitGroup
}

// connect returns the server's side of a client that sends head and, where that begins a
// TLS handshake, goes on with one.
func (cs *clients) connect(in *Input, head []byte) net.Conn {
	config := in.Client
	if config == nil {
		config = configOf(head)
	}
	if config == nil {
		return &said{Reader: bytes.NewReader(head)}
	}
	server, client := net.Pipe()
	cs.ends = append(cs.ends, server, client)
	cs.running.Go(func() {
		defer client.Close()
		_, _ = io.Copy(io.Discard, tls.Client(client, config)) // the server says what is wrong with the handshake
	})
	return server
}

// close ends the clients.
func (cs *clients) close() {
	for _, end := range cs.ends {
		_ = end.Close()
	}
	cs.running.Wait()
}

// configOf returns the configuration of a client that asks for what the ClientHello in head
// asks for; nil: crypto/tls finds none there.
func configOf(head []byte) *tls.Config {
	var hello *tls.ClientHelloInfo
	server := tls.Server(&said{Reader: bytes.NewReader(head)}, &tls.Config{
		MinVersion: tls.VersionTLS10,
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			hello = info
			return nil, io.EOF
		},
	})
	_ = server.Handshake() // it ends with the hello
	if hello == nil {
		return nil
	}
	versions := known(hello.SupportedVersions)
	return &tls.Config{
		ServerName: hello.ServerName, NextProtos: hello.SupportedProtos, InsecureSkipVerify: true,
		MinVersion: slices.Min(versions), MaxVersion: slices.Max(versions),
	}
}

// known returns the versions that crypto/tls has; TLS 1.2 where a hello has none of them.
func known(versions []uint16) []uint16 {
	var all []uint16
	for _, v := range versions {
		if v >= tls.VersionTLS10 && v <= tls.VersionTLS13 {
			all = append(all, v)
		}
	}
	if all == nil {
		return []uint16{tls.VersionTLS12}
	}
	return all
}

// said is a connection whose client has sent some bytes and says no more. What is written
// to it goes nowhere.
type said struct{ *bytes.Reader }

// Write takes everything.
func (s *said) Write(b []byte) (int, error) { return len(b), nil }

// WriteTo hides the one of the reader: what is read is counted by whoever reads.
func (s *said) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{s.Reader}) }

// Close does nothing.
func (s *said) Close() error { return nil }

// CloseWrite does nothing.
func (s *said) CloseWrite() error { return nil }

// LocalAddr returns no address.
func (s *said) LocalAddr() net.Addr { return memory{} }

// RemoteAddr returns no address.
func (s *said) RemoteAddr() net.Addr { return memory{} }

// SetDeadline does nothing: no method waits.
func (s *said) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (s *said) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (s *said) SetWriteDeadline(time.Time) error { return nil }

// memory is the address of who is nowhere.
type memory struct{}

// Network returns a word.
func (memory) Network() string { return "memory" }

// String returns the same word.
func (memory) String() string { return "memory" }
