package throttle

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// conn is a connection that is slowed down. Its deadlines, Close and wake end a wait at
// once, and no byte is lost by that.
type conn struct {
	net.Conn
	reads, writes pace
	once          sync.Once
	closed        chan struct{}

	// What was read and may not go on yet.
	held  []byte
	after error     // what came behind it
	due   time.Time // when it may
}

var (
	_ relay.NetConner   = (*conn)(nil)
	_ relay.CloseWriter = (*conn)(nil)
)

// Read returns what the client has sent, when that may go on.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.held) > 0 {
		return c.release(p)
	}
	n, err := c.Conn.Read(p[:min(len(p), c.reads.most)])
	if n == 0 {
		return 0, err
	}
	c.due = c.reads.due(n)
	if stopped := c.wait(&c.reads, c.due); stopped != nil {
		c.held, c.after = bytes.Clone(p[:n]), err
		return 0, stopped
	}
	return n, err
}

// release returns what an earlier Read could not wait for.
func (c *conn) release(p []byte) (int, error) {
	if err := c.wait(&c.reads, c.due); err != nil {
		return 0, err
	}
	n := copy(p, c.held)
	if c.held = c.held[n:]; len(c.held) > 0 {
		return n, nil
	}
	err := c.after
	c.held, c.after = nil, nil
	return n, err
}

// Write sends p in pieces, each when it may go.
func (c *conn) Write(p []byte) (sent int, err error) {
	for len(p) > 0 && err == nil {
		piece := p[:min(len(p), c.writes.most)]
		if err = c.wait(&c.writes, c.writes.due(len(piece))); err != nil {
			break
		}
		var n int
		n, err = c.Conn.Write(piece)
		sent, p = sent+n, p[n:]
	}
	return sent, err
}

// wait waits until a time, or returns what ended the wait.
func (c *conn) wait(p *pace, until time.Time) error {
	closed, err := p.deadline.Wait(until, c.closed)
	if closed {
		return net.ErrClosed
	}
	return err
}

// wake ends every wait, now and later.
func (c *conn) wake() { c.once.Do(func() { close(c.closed) }) }

// Close closes the connection.
func (c *conn) Close() error {
	c.wake()
	return c.Conn.Close()
}

// CloseWrite tells the client that no more bytes will come.
func (c *conn) CloseWrite() error { return relay.CloseWrite(c.Conn) }

// NetConn implements [relay.NetConner].
func (c *conn) NetConn() net.Conn { return c.Conn }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds the waits of Read, those for the client as well.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reads.deadline.Set(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline bounds the waits of Write, those for the client as well.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writes.deadline.Set(t)
	return c.Conn.SetWriteDeadline(t)
}
