package terminate

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// turns bound how many handshakes compute at a time. Who waits longest is next.
type turns chan struct{}

// errNoTurn is why a handshake ends that never got a turn before its deadline.
var errNoTurn = errors.New("waiting for a turn among the handshakes: none until the deadline")

// gate is a connection on which a handshake is made. It gives its turn back
// whenever it waits for the peer, and charges the client for what the handshake holds.
// After end it is the connection beneath and nothing more.
type gate struct {
	net.Conn // of the host.Conn, with its head
	turns    turns
	account  account
	local    netip.Addr // what the client connected to; may be invalid

	greeted bool  // a whole ClientHello has come
	refused error // set by a tls.Config when it has no certificate for the client

	ctx  context.Context // of the handshake, whose methods net.Conn gives no place for one
	held bool
	done bool // the handshake has ended
}

// begin waits for the first turn.
func (g *gate) begin(ctx context.Context) error {
	g.ctx = ctx
	if err := g.account.hold(0); err != nil {
		return err
	}
	return g.take()
}

// end gives the turn back for good, and what was charged.
func (g *gate) end() {
	g.give()
	g.account.close()
	g.done, g.ctx = true, nil
}

// Read waits for bytes without a turn. If none comes afterwards, the bytes are
// returned with the error.
func (g *gate) Read(p []byte) (int, error) {
	if g.done {
		return g.Conn.Read(p)
	}
	g.give()
	if err := g.account.hold(len(p)); err != nil {
		return 0, err
	}
	n, err := g.Conn.Read(p)
	if err == nil {
		err = g.account.receive(n)
	}
	if err == nil {
		err = g.take()
	}
	return n, err
}

// Write waits for the kernel to take the bytes without a turn.
func (g *gate) Write(p []byte) (int, error) {
	if g.done {
		return g.Conn.Write(p)
	}
	g.give()
	n, err := g.Conn.Write(p)
	if err == nil {
		err = g.take()
	}
	return n, err
}

// NetConn returns what lies beneath, for whoever must reset it.
func (g *gate) NetConn() net.Conn { return g.Conn }

func (g *gate) take() error {
	select {
	case g.turns <- struct{}{}:
		g.held = true
		return nil
	default:
	}
	select {
	case g.turns <- struct{}{}:
		g.held = true
		return nil
	case <-g.ctx.Done():
		return context.Cause(g.ctx)
	}
}

func (g *gate) give() {
	if g.held {
		g.held = false
		<-g.turns
	}
}
