package tee

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"dwaar.dev/dwaar/builtin/internal/deadline"
	"dwaar.dev/dwaar/host/relay"
)

// conn is the connection itself: what is read from it goes to the branch as well.
type conn struct {
	net.Conn
	branch *branch
	kill   func()        // ends the branch, whatever it waits for
	linger time.Duration // how long the branch may take for the rest
	once   sync.Once
}

var (
	_ relay.NetConner   = (*conn)(nil)
	_ relay.CloseWriter = (*conn)(nil)
)

// Read returns what the client has sent, and copies it.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.branch.offer(p[:n])
	}
	if errors.Is(err, io.EOF) {
		c.branch.end()
	}
	return n, err
}

// Close closes the connection. The branch may finish what it has.
func (c *conn) Close() error {
	c.finish()
	return c.Conn.Close()
}

// CloseWrite tells the client that no more bytes will come.
func (c *conn) CloseWrite() error { return relay.CloseWrite(c.Conn) }

// NetConn implements [relay.NetConner].
func (c *conn) NetConn() net.Conn { return c.Conn }

// finish ends the branch: it gets no more bytes, and is killed if it is not done in time.
func (c *conn) finish() {
	c.once.Do(func() {
		c.branch.end()
		timer := time.AfterFunc(c.linger, c.kill)
		go func() {
			<-c.branch.done
			timer.Stop()
		}()
	})
}

// branch is the copy as a connection: reads give what the client has sent, and what is
// written goes nowhere. Its addresses are those of the connection itself.
type branch struct {
	of  net.Conn
	max int
	cut func(error) // told when it is cut

	deadline deadline.Deadline
	done     chan struct{} // closed when the branch has ended

	mu     sync.Mutex
	buf    []byte
	err    error         // what follows buf: io.EOF, errCut, net.ErrClosed; nil: more bytes
	signal chan struct{} // has an element when buf or err has changed
}

func newBranch(of net.Conn, most int) *branch {
	return &branch{of: of, max: most, done: make(chan struct{}), signal: make(chan struct{}, 1)}
}

// offer copies bytes for the branch, and never waits.
func (b *branch) offer(p []byte) {
	b.mu.Lock()
	if b.err != nil {
		b.mu.Unlock()
		return
	}
	full := len(b.buf)+len(p) > b.max
	if full {
		b.buf, b.err = nil, errCut
	} else {
		b.buf = append(b.buf, p...)
	}
	b.mu.Unlock()
	b.wake()
	if full {
		b.cut(errCut)
	}
}

// end says that no more bytes will come.
func (b *branch) end() { b.stop(io.EOF, false) }

// stop sets what follows the bytes, unless that is known; drop drops those that are there.
func (b *branch) stop(err error, drop bool) {
	b.mu.Lock()
	if b.err == nil || drop {
		b.err = err
	}
	if drop {
		b.buf = nil
	}
	b.mu.Unlock()
	b.wake()
}

func (b *branch) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// take moves bytes that are there to p.
func (b *branch) take(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf) == 0 {
		return 0, b.err
	}
	n := copy(p, b.buf)
	if b.buf = b.buf[n:]; len(b.buf) == 0 {
		b.buf = nil // silent connections hold no memory
	}
	return n, nil
}

// Read waits for bytes of the client.
func (b *branch) Read(p []byte) (int, error) {
	for {
		n, err := b.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		if _, err := b.deadline.Wait(time.Time{}, b.signal); err != nil {
			return 0, err
		}
	}
}

// Write takes everything and sends it nowhere.
func (b *branch) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(b.err, net.ErrClosed) {
		return 0, net.ErrClosed
	}
	return len(p), nil
}

// CloseWrite does nothing: nobody hears what the branch says.
func (b *branch) CloseWrite() error { return nil }

// Close ends the branch: it wants no more bytes.
func (b *branch) Close() error {
	b.mu.Lock()
	closed := errors.Is(b.err, net.ErrClosed)
	b.mu.Unlock()
	if !closed {
		b.stop(net.ErrClosed, true)
	}
	return nil
}

// LocalAddr returns where the client arrived.
func (b *branch) LocalAddr() net.Addr { return b.of.LocalAddr() }

// RemoteAddr returns where the client came from.
func (b *branch) RemoteAddr() net.Addr { return b.of.RemoteAddr() }

// SetDeadline bounds the waits of Read: a Write never waits.
func (b *branch) SetDeadline(t time.Time) error { return b.SetReadDeadline(t) }

// SetReadDeadline bounds the waits of Read.
func (b *branch) SetReadDeadline(t time.Time) error {
	b.deadline.Set(t)
	return nil
}

// SetWriteDeadline does nothing: a Write never waits.
func (b *branch) SetWriteDeadline(time.Time) error { return nil }
