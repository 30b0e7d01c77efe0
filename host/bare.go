package host

import (
	"bytes"
	"net"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/sdk"
)

// A bare connection has no net.Conn: an event loop has its descriptor, receives for
// it ([Conn.Room], [Conn.Received]) and closes it. It is matched and planned for in
// the loop. When it needs a goroutine the loop gives the descriptor up, and Adopt
// makes an ordinary connection of it; otherwise the loop relays it, after Give, and
// says how that ended with Relayed.

// NewBare begins the life of a connection that was accepted by an event loop. link
// is how the loop is told to end it; the rest is as in [NewConn].
func NewBare(link *relay.Link, id uint64, f sdk.Flow, env *Env) *Conn {
	c := begin(env.Heads.draft(), nil, id, f, env)
	c.life.link.Store(link)
	return c
}

// Adopt makes c an ordinary connection on sock, which the loop has given up.
func (c *Conn) Adopt(sock net.Conn) {
	l := c.life
	c.sock = sock
	l.header.Store(0)
	l.link.Store(nil)
	if l.killed.Load() != nil { // the loop may not have heard of it
		sock.Close()
	}
}

// Header says how many of the bytes that the loop sends to the upstream at first are
// not the client's. It is called before they are sent, and they are not counted.
func (c *Conn) Header(n int) { c.life.header.Store(int32(n)) }

// Give notes that the loop relays the connection from now on. It returns what is to
// be sent before its next bytes, without the first sent ones, which were: a copy,
// as the head is given back.
func (c *Conn) Give(first []byte, sent int) []byte {
	rest := bytes.Clone(first[min(sent, len(first)):])
	c.release()
	c.Enter(InRelay)
	c.life.given = true
	c.retire()
	return rest
}

// retire gives the draft of a bare connection to the next one. Of the facts what the
// log will tell is kept.
func (c *Conn) retire() {
	c.life.facts = nil
	if !c.life.env.Terse && c.facts.Len() > 0 {
		c.life.facts = c.facts.compact()
	}
	c.life.env.Heads.retire(c.draft)
	c.draft = nil
}

// Drop is [Conn.Finish] for a bare connection, whose descriptor its loop has closed.
func (c *Conn) Drop(err error) {
	c.release()
	c.ended(c.failed(err))
	c.retire()
}

// Relayed ends a connection that was given away.
func (c *Conn) Relayed(r relay.Result) { c.ended(c.relayed(r)) }

// Killed returns why somebody wants the connection to end, as an error; nil: nobody
// does.
func (c *Conn) Killed() error {
	if c.life.killed.Load() != nil {
		return net.ErrClosed
	}
	return nil
}
