package loop

import (
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// Client is a connection from accept to its end. It is part of its owner's
// struct, by value, so that all of a connection is one allocation; it must not be
// copied after Init. Its methods are for the methods of its Events only, on the
// loop's goroutine, but Link, which is for all.
type Client struct{ link link }

// Init makes c ready to be returned by Acceptor.Accepted. A Client is used once.
func (c *Client) Init(s Events) {
	c.link.session, c.link.slot = s, none
	c.link.handle = relay.LinkTo(&c.link)
}

// Link returns the handle of the client: Kill and Counts, from Accepted on, for
// any goroutine. Killed before it is relayed, the session is told.
func (c *Client) Link() *relay.Link { return &c.link.handle }

// at returns where the client is; s is nil when it is nowhere: ended, or detached.
func (c *Client) at() (r *loop, i int32, s *slot) {
	if c.link.slot == none {
		return nil, none, nil
	}
	r = c.link.loop.Load()
	return r, c.link.slot, r.slab.at(c.link.slot)
}

// Local returns the address that the client has connected to, without zone, an
// IPv4 one never as IPv6. It costs a system call: who listens on one address knows
// it. On Unix sockets it is the zero value.
func (c *Client) Local() netip.AddrPort {
	r, _, s := c.at()
	if s == nil || !s.ends[0].is(tcp) || sockName(s.ends[0].fd, &r.peer) != 0 {
		return netip.AddrPort{}
	}
	return r.peer.addrPort()
}

// Recv receives what has come into b, which must have room. The error is io.EOF at
// the end of what the client sends, ErrAgain when there is nothing yet, which may
// be said without asking the kernel, and an *os.SyscallError otherwise: a client that
// is relayed after that counts as broken, and its upstream is told.
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
	case errno != 0: // which the kernel says once
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

// Wait lets the session return: Ready is called when something can be received,
// Due at a time, unless that is zero. Both happen at most once and end the waiting.
// What a Recv has left behind is ready at once.
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
	if r.fresh != nil { // nobody has looked: it was a guess that something is there
		s.ends[0].clear(readable)
		r.fresh = nil
	}
	if errno := r.enter(i, s, 0); errno != 0 {
		s.ends[0].set(gone) // Recv tells
		s.doing, s.errno = opening, errno
	}
	if s.ends[0].is(readable | eof | gone) {
		r.enqueue(i, s)
	}
	r.rearm(i, s)
}

// Relay joins the client and the upstream that stands. What rest holds is written
// to the upstream before what is still to come; it must not be changed until
// Events.Ended, which is told the end: o.Done is not called. What Dial has sent
// is counted as well.
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
	if client := &s.ends[0]; client.is(gone) { // the upstream is to be told
		client.clear(gone)
		r.join(i, s, &o)
		r.broke(i, s, 0, s.doing, s.errno)
		return
	}
	r.join(i, s, &o)
}

// Detach takes the socket out of the loop, for a goroutine: it is the caller's
// now, who closes it, and nobody is told anything any more. An upstream is closed.
// The error is net.ErrClosed if the client has ended, or what Recv has told if it
// broke: the kernel says that once, and the caller would take it for an end in order.
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

// Close closes the client and its upstream; with reset the client is told that
// this was no end in order, and what is on the way to it is dropped. Nobody is told
// anything any more. After the end it does nothing.
func (c *Client) Close(reset bool) {
	r, i, s := c.at()
	if s == nil {
		return
	}
	r.close(i, s, reset)
}
