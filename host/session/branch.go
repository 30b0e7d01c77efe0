package session

import (
	"context"
	"net"

	"dwaar.dev/dwaar/host"
)

// branch is a session beside another one, which has no routes and nobody who counts it: its
// owner is the handler that made it.
type branch struct {
	Session
	ended func(host.Outcome)
}

var (
	_ Owner         = (*branch)(nil)
	_ host.Brancher = (*conn)(nil)
)

// Retainer is a [Graph] of which a further reference can be taken, as long as there is one.
type Retainer interface{ Retain() bool }

// Branch implements [host.Brancher].
func (c *conn) Branch(sock net.Conn, run func(context.Context, host.Conn) error, ended func(host.Outcome)) (kill func()) {
	b := &branch{ended: ended}
	begin := Begin{ID: c.s.id, Flow: c.h.flow.Fresh()}
	if r, ok := c.u.graph.(Retainer); ok && r.Retain() {
		begin.Graph = c.u.graph
	}
	b.Init(c.s.env, b, &begin)
	b.setup.facts.Add(c.s.Facts())
	go b.Serve(sock, run)
	return func() { b.Kill(host.ByOperator, host.Drained) }
}

// Charge implements [Owner]. What a branch holds is bounded by its handlers, and by the
// length of a head.
func (*branch) Charge(int) bool { return true }

// Spend implements [Owner]; see Charge.
func (*branch) Spend(int) bool { return true }

// Decided implements [Owner].
func (*branch) Decided() {}

// Readdressed implements [Owner].
func (*branch) Readdressed() {}

// Ended implements [Owner].
func (b *branch) Ended(o host.Outcome) { b.ended(o) }
