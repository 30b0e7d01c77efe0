package loop

import (
	"errors"
	"net/netip"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Acceptor takes the clients of a listener. Its methods are called by the
// loops, by several at once, and must not wait.
type Acceptor interface {
	// Accepted returns who serves a new client, after Client.Init. The client
	// has its place in the loop only when Events.Start is called: Accepted
	// itself must call nothing else of it. For nil the loop closes the
	// socket.
	Accepted(p Peer) *Client
	// Failed is told that no client could be accepted: EMFILE, ENFILE, ENOBUFS,
	// ENOMEM, or whatever a broken listener gives; relay.ErrPanic if Accepted
	// panicked. The loop that asks leaves the listener alone for as long as
	// it says, a few milliseconds at least.
	Failed(err error) time.Duration
}

// Peer is a connection that was accepted.
type Peer struct {
	FD int32 // of the loop, or of the Client: nobody else closes it
	// Addr is the client's address without zone, an IPv4 one never as IPv6. It
	// is the zero value on Unix sockets.
	Addr netip.AddrPort
}

// Events is what a Client does until it is relayed, and is told what becomes of
// it. Its methods are called by the loop that accepted the client, one at a
// time, and must not wait. When Start, Ready, Due, Connected or Killed returns,
// the client must wait for something (Client.Wait, a Client.Dial that is
// pending), be relayed, or be gone (Client.Close, Client.Detach); one that is
// none of that after Killed is closed, and after the others it counts as a panic.
type Events interface {
	// Start begins: the client has just been accepted.
	Start()
	// Ready says that something can be received, be it the end or an error.
	Ready()
	// Due says that the time given to Client.Wait has come.
	Due()
	// Connected tells how the Client.Dial that was pending ended: nil, or a
	// *net.OpError as package net makes it. After Dial.Timeout the error is
	// os.ErrDeadlineExceeded.
	Connected(err error)
	// Killed tells of a Kill of Client.Link before Client.Relay, and of
	// Loops.Close (relay.Drained). The session closes the client or takes it
	// out of the loop.
	Killed(r relay.Reason)
	// Ended tells how the relay ended. Both sockets are closed, and the client
	// is the owner's again.
	Ended(r relay.Result)
	// Panicked tells that one of the other methods panicked with v. The client
	// is closed, and nothing else will be called.
	Panicked(v any, stack []byte)
}

// Dial is where to connect to.
type Dial struct {
	Network string         // "tcp" or "unix"
	Addr    netip.AddrPort // of "tcp"; the zone of a link-local address counts
	Path    string         // of "unix"; a leading @ stands for a NUL, an abstract name
	Local   netip.Addr     // the address to connect from; the zero value leaves it to the kernel
	Timeout time.Duration  // 0: what the kernel allows, some two minutes
}

// ErrAgain says that nothing has come yet: Client.Wait.
var ErrAgain = errors.New("nothing to receive yet")

// ErrPending says that Events.Connected will be called.
var ErrPending = errors.New("the connection is not established yet")

// Stats is what the loops hold now.
type Stats struct {
	Links      int    // pairs of sockets
	Waiting    int    // clients that wait for bytes or a time
	Connecting int    // clients whose upstream does not stand yet
	Accepted   uint64 // clients since New
	Pipes      int    // two descriptors each, idle ones included
	Kept       int    // buffers of 16 KiB with what a destination refused
}
