package loop

import (
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// Client is a connection from accept to its end. A Client is a field of its owner's
// struct, by value, so that a connection is one allocation; nobody may copy a Client
// after Init. Only the methods of its Events may call its methods, in the loop's
// goroutine, except Link, which any goroutine may call.
type Client struct{ link link }

// Init makes c ready to be returned by Acceptor.Accepted. A Client is used once.
func (c *Client) Init(s Events) {
	c.link.session, c.link.slot = s, none
	c.link.handle = relay.LinkTo(&c.link)
}

// Link returns the handle of the client, Kill and Counts, from Accepted on, for any
// goroutine. A Kill before the relay calls Events.Killed.
func (c *Client) Link() *relay.Link { return &c.link.handle }

// at returns the loop and the slot of the client; s is nil for a client that has ended
// or was detached.
func (c *Client) at() (r *loop, i int32, s *slot) {
	if c.link.slot == none {
		return nil, none, nil
	}
	r = c.link.loop.Load()
	return r, c.link.slot, r.slab.at(c.link.slot)
}

// Local returns the address that the client has connected to, without zone, an IPv4
// one never as IPv6; the zero value on Unix sockets. It costs a system call, which a
// listener on one address can do without.
func (c *Client) Local() netip.AddrPort {
	r, _, s := c.at()
	if s == nil || !s.ends[0].is(tcp) || sockName(s.ends[0].fd, &r.peer) != 0 {
		return netip.AddrPort{}
	}
	return r.peer.addrPort()
}

// Recv receives what has come into b, which must not be empty. The error is io.EOF at
// the end of what the client sends, ErrAgain when nothing has come yet (Recv may know
// that without a system call), and an *os.SyscallError otherwise: a client that is
// relayed after that counts as broken, and its upstream is told.
func (c *Client) Recv(b []byte) (int, error) {
	r, _, s := c.at()
	if s == nil {
		return 0, net.ErrClosed
	}
	end := &s.ends[0]
	switch {
	case end.is(gone):
		return 0, s.doing.failure(s.errno)
	case end.is(eof):
		return 0, io.EOF
	case !end.is(readable):
		return 0, ErrAgain
	}
	n, errno := recv(end.fd, b, 0)
	if r.fresh != nil {
		r.fresh.guess.learn(errno != unix.EAGAIN)
		r.fresh = nil
	}
	switch {
	case errno == unix.EAGAIN:
		end.clear(readable)
		return 0, ErrAgain
	case errno != 0: // the kernel reports an error once
		end.set(gone)
		s.doing, s.errno = reading, errno
		return 0, s.doing.failure(errno)
	case n == 0:
		end.set(eof)
		return 0, io.EOF
	}
	end.short(n < len(b))
	return n, nil
}

// Wait has the loop call Ready when something can be received, or Due at a time, unless
// that is zero; whichever comes first ends the waiting. Bytes that a Recv has left
// behind are ready at once.
func (c *Client) Wait(until time.Time) {
	r, i, s := c.at()
	if s == nil {
		return
	}
	s.until = 0
	if !until.IsZero() {
		s.until = max(after(0, int64(until.Sub(r.base))), 1)
	}
	r.pass(s, waiting)
	if r.fresh != nil { // Recv was not called: whether bytes have come is still a guess
		s.ends[0].clear(readable)
		r.fresh = nil
	}
	if errno := r.enter(i, s, 0); errno != 0 {
		s.ends[0].set(gone) // Recv returns the error
		s.doing, s.errno = opening, errno
	}
	if s.ends[0].is(readable | eof | gone) {
		r.enqueue(i, s)
	}
	r.rearm(i, s)
}

// Relay joins the client and the upstream that stands. rest is written to the upstream
// before anything the client still sends, and must not be changed before Events.Ended,
// which tells the end: o.Done is not called. The bytes that Dial has sent are counted
// as well.
func (c *Client) Relay(rest []byte, o relay.Options) {
	r, i, s := c.at()
	if s == nil {
		return
	}
	if s.stage != held || s.ends[1].fd == none {
		panic("relaying a client without an upstream")
	}
	c.link.hold(0, rest)
	s.until = 0
	if s.ends[1].is(tcp) {
		s.tuneAt = after(r.now, keepAliveAfter)
	}
	r.pass(s, joined)
	if client := &s.ends[0]; client.is(gone) { // the relay tells the upstream
		client.clear(gone)
		r.join(i, s, &o)
		r.broke(i, s, 0, s.doing, s.errno)
		return
	}
	r.join(i, s, &o)
}

// Detach takes the client's socket out of the loop, for a goroutine. The caller owns
// and closes the socket; the loop calls no method of Events any more, and closes the
// upstream. The error is net.ErrClosed if the client has ended, or the error of Recv if
// the client broke: the kernel reports such an error once, and the caller would take
// the connection for one that ended in order.
func (c *Client) Detach() (fd int, err error) {
	r, i, s := c.at()
	if s == nil {
		return none, net.ErrClosed
	}
	end := &s.ends[0]
	if end.is(gone) {
		return none, s.doing.failure(s.errno)
	}
	r.hangUp(i, s)
	if end.is(entered) {
		_ = control(r.epoll, unix.EPOLL_CTL_DEL, end.fd, 0, key{})
	}
	fd = int(end.fd)
	r.release(i, s)
	return fd, nil
}

// Close closes the client and its upstream, with reset by a reset, which drops what is
// on the way to them. The loop calls no method of Events any more. After the end Close
// does nothing.
func (c *Client) Close(reset bool) {
	r, i, s := c.at()
	if s == nil {
		return
	}
	r.close(i, s, reset)
}
