package loop

import (
	"errors"
	"net/netip"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Acceptor serves the clients of a listener. The loops call its methods, several loops
// at once; the methods must not wait.
type Acceptor interface {
	// Accepted returns the Client for a new connection, after Client.Init. The Client
	// belongs to the loop only when Events.Start is called: Accepted itself must call
	// no other method of the Client. For nil the loop closes the socket.
	Accepted(p Peer) *Client
	// Failed is told that no client could be accepted: EMFILE, ENFILE, ENOBUFS,
	// ENOMEM, or whatever a broken listener gives; relay.ErrPanic if Accepted
	// panicked. The calling loop accepts nothing from the listener for the duration
	// that Failed returns, a few milliseconds at least.
	Failed(err error) time.Duration
}

// Peer is a connection that was accepted.
type Peer struct {
	FD int32 // the loop's or the Client's: nobody else closes the descriptor
	// Addr is the client's address without zone, an IPv4 one never as IPv6. It
	// is the zero value on Unix sockets.
	Addr netip.AddrPort
}

// Events is told what happens to a Client, and decides what the Client does until it is
// relayed. The loop that accepted the client calls the methods, one at a time; they
// must not wait. When Start, Ready, Due, Connected or Killed returns, the client must
// wait for something (Client.Wait, a Client.Dial that is pending), be relayed, or be
// gone (Client.Close, Client.Detach). A client for which none of these holds is closed
// after Killed; after the other methods that counts as a panic.
type Events interface {
	// Start begins: the client has just been accepted.
	Start()
	// Ready tells that something can be received: bytes, the end, or an error.
	Ready()
	// Due tells that the time given to Client.Wait has come.
	Due()
	// Connected tells how the Client.Dial that was pending ended: nil, or a
	// *net.OpError as package net makes it. After Dial.Timeout the error is
	// os.ErrDeadlineExceeded.
	Connected(err error)
	// Killed tells of a Kill of Client.Link before Client.Relay, and of
	// Loops.Close (relay.Drained). Killed closes or detaches the client.
	Killed(r relay.Reason)
	// Ended tells how the relay ended. Both sockets are closed, and the loop does not
	// use the client any more.
	Ended(r relay.Result)
	// Panicked tells that one of the other methods panicked with v. The client
	// is closed, and nothing else will be called.
	Panicked(v any, stack []byte)
}

// Dial is an attempt to connect.
type Dial struct {
	Network string         // "tcp" or "unix"
	Addr    netip.AddrPort // the address for "tcp"; the zone of a link-local address counts
	Path    string         // the address for "unix"; a leading @ stands for a NUL, an abstract name
	Local   netip.AddrPort // the address to connect from; without an address or a port the kernel chooses that
	Timeout time.Duration  // limit until the connection stands; 0: the kernel's, some two minutes
}

// ErrAgain is returned by Client.Recv when nothing has come yet: call Client.Wait.
var ErrAgain = errors.New("nothing to receive yet")

// ErrPending is returned by Client.Dial when Events.Connected will tell the result.
var ErrPending = errors.New("the connection is not established yet")

// Stats is what the loops hold now.
type Stats struct {
	Links      int    // pairs of sockets
	Waiting    int    // clients that wait for bytes or a time
	Connecting int    // clients with an attempt under way
	Accepted   uint64 // clients since New
	Pipes      int    // two descriptors each, idle ones included
	Kept       int    // buffers of 16 KiB with bytes that a destination did not take
}
