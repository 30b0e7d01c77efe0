package target

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
)

// Conn is a connection that was accepted: first the bytes that routes have looked at,
// then the stream, as the handlers before left it. Whoever accepted it closes it.
type Conn struct {
	net.Conn
	host   host.Conn
	closed chan struct{}
	once   sync.Once
	busy   sync.RWMutex // held by what looks at host
}

// Read returns [net.ErrClosed] after Close.
func (c *Conn) Read(p []byte) (int, error) {
	c.busy.RLock()
	defer c.busy.RUnlock()
	if c.gone() {
		return 0, net.ErrClosed
	}
	return c.Conn.Read(p)
}

// Fact returns what is known of the connection, by the fact's full name:
// "tls.server_name", "conn.listener". Nothing is known after Close.
func (c *Conn) Fact(name string) (string, bool) {
	c.busy.RLock()
	defer c.busy.RUnlock()
	if c.gone() {
		return "", false
	}
	return c.host.Get(name)
}

// RemoteAddr returns the client's address: the one that a PROXY header names, where
// the configuration believes it.
func (c *Conn) RemoteAddr() net.Addr {
	c.busy.RLock()
	defer c.busy.RUnlock()
	remote := netip.AddrPort{}
	if !c.gone() {
		remote = c.host.Flow().Remote
	}
	if !remote.IsValid() {
		return c.Conn.RemoteAddr()
	}
	return net.TCPAddrFromAddrPort(remote)
}

// CloseWrite tells the client that no more bytes will come.
func (c *Conn) CloseWrite() error {
	if w, ok := c.Conn.(relay.CloseWriter); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close ends the connection. The second call does nothing.
func (c *Conn) Close() (err error) {
	c.once.Do(func() {
		err = c.Conn.Close()
		close(c.closed)
	})
	return err
}

// gone reports whether the connection was closed. busy is held.
func (c *Conn) gone() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}
