package host

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// Conn is one connection on its way through a route. One goroutine owns it at a
// time. It is not itself a net.Conn, so that nobody reads past its head by
// accident.
//
// A Conn that carries other bytes than the socket (after TLS) is made by Wrap; it
// shares the life of the one it wraps: identity, facts, outcome.
type Conn struct {
	life *life
	*draft
	sock net.Conn // where the bytes behind the head come from; nil: see bare.go
}

// ErrFull is what Peek returns when the head cannot hold as many bytes.
var ErrFull = errors.New("the head is full")

// ErrNoMemory is what Peek returns when all connections together hold as many
// head bytes as they may.
var ErrNoMemory = errors.New("head bytes in all are at their limit")

// draft is what a connection needs until a relay has it. That of a bare one then
// serves the next connection.
type draft struct {
	flow     sdk.Flow
	facts    Facts // of the life, in the Conn that began it
	attempts Attempts

	buf []byte // flow.Head lies in it
	off int    // bytes of buf that were discarded
	end error  // what a read of sock returned: io.EOF, a reset

	phased   bool      // a matching phase began on these bytes
	deadline time.Time // its deadline; zero: none
}

// Flow is the connection as its matchers see it. It stays the Conn's own. A bare
// connection that was given away has none.
func (c *Conn) Flow() *sdk.Flow { return &c.flow }

// Head is what was received and not consumed. Whoever sends bytes on sends these
// first; it is valid until the next call of a method.
func (c *Conn) Head() []byte { return c.flow.Head }

// Peek waits until the head holds at least n bytes. Otherwise it returns io.EOF or
// a read error, os.ErrDeadlineExceeded at the deadline of the phase, ErrFull if
// the head can never be that long, or ErrNoMemory.
func (c *Conn) Peek(n int) error {
	for len(c.flow.Head) < n {
		b, err := c.Room(n)
		if err != nil {
			return err
		}
		got, err := c.sock.Read(b)
		if err := c.Received(got, err); err != nil {
			return err
		}
	}
	return nil
}

// Room is for whoever receives in the connection's place: it returns where the
// bytes behind the head go, if the head is to have n in all. Otherwise it returns
// why it cannot have them: ErrFull, ErrNoMemory, or how the stream ended.
func (c *Conn) Room(n int) ([]byte, error) {
	switch {
	case n > c.flow.MaxHead || len(c.flow.Head) >= c.flow.MaxHead:
		return nil, ErrFull
	case c.end != nil:
		return nil, c.end
	case !c.room(n):
		return nil, ErrNoMemory
	}
	return c.buf[len(c.buf):min(cap(c.buf), c.off+c.flow.MaxHead)], nil
}

// Received says what came of receiving into [Conn.Room], as Read would. It returns
// err if that is all there is to say.
func (c *Conn) Received(n int, err error) error {
	c.buf = c.buf[:len(c.buf)+n]
	c.flow.Head = c.buf[c.off:]
	if err == nil {
		return nil
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.end = err
	}
	if n > 0 {
		return nil // said when the head has been looked at
	}
	return err
}

// Idle gives back the place of a head that has no byte yet, while nothing comes.
func (c *Conn) Idle() {
	if len(c.flow.Head) == 0 {
		c.release()
	}
}

// room makes place for n head bytes and at least one more than there are.
func (c *Conn) room(n int) bool {
	if len(c.buf) < cap(c.buf) && c.off+n <= cap(c.buf) {
		return true
	}
	want := min(max(n, 2*len(c.flow.Head)), c.flow.MaxHead)
	b := c.life.env.Heads.Get(want)
	if b == nil {
		return false
	}
	b = append(b, c.flow.Head...)
	c.life.env.Heads.Put(c.buf)
	c.buf, c.off, c.flow.Head = b, 0, b
	return true
}

// BeginMatching begins a matching phase with an absolute deadline d from now; 0 is
// none. Unless it is a phase of its own, a phase on bytes that have had one takes
// over what is left of that one's time.
func (c *Conn) BeginMatching(d time.Duration, own bool) {
	if own || !c.phased {
		c.phased, c.deadline = true, time.Time{}
		if d > 0 {
			c.deadline = time.Now().Add(d)
		}
	}
	if !c.deadline.IsZero() && c.sock != nil {
		c.sock.SetReadDeadline(c.deadline)
	}
}

// Deadline is that of the matching phase; the zero time is none.
func (c *Conn) Deadline() time.Time { return c.deadline }

// EndMatching clears the deadline of the phase.
func (c *Conn) EndMatching() {
	if !c.deadline.IsZero() && c.sock != nil {
		c.sock.SetReadDeadline(time.Time{})
	}
}

// Discard eats n bytes of the head: a PROXY header, an SSLRequest. What was parsed
// of the head is forgotten.
func (c *Conn) Discard(n int) {
	n = min(n, len(c.flow.Head))
	c.off += n
	c.flow.Rehead(c.buf[c.off:])
	if len(c.flow.Head) == 0 {
		c.release()
	}
}

// release gives the head's buffer back.
func (c *Conn) release() {
	if c.buf != nil {
		c.life.env.Heads.Put(c.buf)
	}
	c.buf, c.off = nil, 0
	c.flow.Rehead(nil)
}

// SetRemote replaces the client's address by the one a PROXY header names. The
// peer stays known as conn.peer_addr.
func (c *Conn) SetRemote(a netip.AddrPort) {
	c.life.facts.PutString("conn", "peer_addr", c.flow.Remote.String())
	a = Plain(a)
	c.flow.Remote = a
	c.flow.Proxied = true
	c.life.proxied = &a
}

// Plain returns an address as the program uses it: unmapped, without zone.
func Plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// Net returns the connection as a net.Conn whose reads give the head first. Peek
// and Head then see only what was not read.
func (c *Conn) Net() net.Conn { return &stream{c.sock, c} }

// Wrap returns the same connection carrying other bytes, those of inner, which
// reads from c.Net(). Facts, identity and outcome are shared; zero copy is now
// impossible. A new matching phase begins on it.
func (c *Conn) Wrap(inner net.Conn) *Conn {
	w := &Conn{life: c.life, sock: inner, draft: &draft{flow: c.flow.Fresh()}}
	w.flow.Bind(w)
	return w
}
