package load

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/epoll"
)

// Idle is a set of connections that wait, so that one can see what they cost the
// proxy meanwhile. The zero value is an empty set. It is for one goroutine.
type Idle struct {
	poller *epoll.Poller
	conns  []idleConn
	buffer []byte
}

type idleConn struct{ fd, owed int } // owed: bytes of an answer

// opening is how many connections are opened at once: enough to be fast, not so many
// that a listener's queue overflows.
const opening = 128

// idleTimeout bounds opening a set, and one exchange on all of it.
const idleTimeout = 30 * time.Second

// Hold opens connections until there are n. On each first is sent, and an answer of so
// many bytes waited for. It returns an error if it could not be done in half a minute:
// the proxy refuses, or has no descriptors left.
func (i *Idle) Hold(to netip.AddrPort, n int, first []byte, answer int) error {
	if n > maxConns || !to.Addr().IsLoopback() || !to.Addr().Is4() {
		return ErrLoad
	}
	if i.poller == nil {
		p, err := epoll.New(opening)
		if err != nil {
			return err
		}
		i.poller, i.buffer = p, make([]byte, bufferSize)
	}
	limit := time.Now().Add(idleTimeout)
	for len(i.conns) < n {
		begin := len(i.conns)
		for range min(opening, n-begin) {
			if err := i.open(to, first, answer); err != nil {
				return fmt.Errorf("opening connection %d of %d: %w", len(i.conns)+1, n, err)
			}
		}
		if err := i.settle(i.conns[begin:], limit); err != nil {
			return fmt.Errorf("opening connection %d of %d: %w", begin+1, n, err)
		}
	}
	return nil
}

// open opens one connection, from one of several addresses.
func (i *Idle) open(to netip.AddrPort, first []byte, answer int) error {
	from := netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + len(i.conns)%sources)})
	fd, err := epoll.Dial(to, from)
	if err != nil {
		return err
	}
	key := int32(len(i.conns))
	i.conns = append(i.conns, idleConn{fd: fd, owed: answer})
	if err := sendAll(fd, first); err != nil {
		return err
	}
	return i.poller.Add(fd, 0, key, unix.EPOLLIN)
}

// settle waits until no answer is owed to some of the connections.
func (i *Idle) settle(some []idleConn, limit time.Time) error {
	owed := func(c idleConn) bool { return c.owed > 0 }
	for slices.ContainsFunc(some, owed) {
		if time.Now().After(limit) {
			return unix.ETIMEDOUT
		}
		for _, e := range i.poller.Wait(tick) {
			c := &i.conns[e.Fd]
			n, errno := epoll.Read(c.fd, i.buffer)
			switch {
			case epoll.Blocked(errno):
			case errno != 0:
				return errno
			case n == 0:
				return unix.ECONNABORTED
			default:
				c.owed -= n
			}
		}
	}
	return nil
}

// Busy makes all connections busy at the same time: a request is sent on each, and
// then all answers are waited for.
func (i *Idle) Busy(request []byte, answer int) error {
	limit := time.Now().Add(idleTimeout)
	for k := range i.conns {
		c := &i.conns[k]
		c.owed = answer
		if err := sendAll(c.fd, request); err != nil {
			return fmt.Errorf("making connection %d of %d busy: %w", k+1, len(i.conns), err)
		}
	}
	if err := i.settle(i.conns, limit); err != nil {
		return fmt.Errorf("waiting for %d answers: %w", len(i.conns), err)
	}
	return nil
}

// Close ends all connections.
func (i *Idle) Close() {
	for _, c := range i.conns {
		epoll.Abort(c.fd)
	}
	if i.poller != nil {
		_ = i.poller.Close() // nothing is left in it
	}
	*i = Idle{}
}
