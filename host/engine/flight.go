package engine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/reactor"
)

// flight is a connection in an event loop, which calls its methods one at a time.
// It lands, in a goroutine, if its route needs one:
//
//	Start ─▶ decide ─▶ chosen ─▶ connect ─▶ join ─▶ Ended
//	           ▲ │        │         ▲ │
//	        Ready Due     ▼    Connected
//	                    land
type flight struct {
	conn
	*approach // nil once it is relayed, has landed, or has ended
	client    reactor.Client
}

// approach is what a flight needs until it is relayed. Others use it after that.
type approach struct {
	choice  graph.Choice
	need    int // bytes that the head must have before the choice is tried again
	planner host.Planner
	course  host.Course
	dial    host.Dial // the attempt under way, if dialing
	dialing bool
}

// approach returns one that nobody uses.
func (e *Engine) approach() *approach {
	if a, ok := e.approaches.Get().(*approach); ok {
		return a
	}
	return new(approach)
}

// leaveApproach gives a flight's approach to another one.
func (x *flight) leaveApproach() {
	if a := x.approach; a != nil {
		x.approach = nil
		*a = approach{}
		x.e.approaches.Put(a)
	}
}

// Start implements [reactor.Session].
func (x *flight) Start() {
	if f := x.c.Flow(); f.Remote.IsValid() && !f.Local.IsValid() {
		f.Local = x.client.Local()
	}
	x.approach = x.e.approach()
	x.choice = x.target.server.Choose(x.c)
	x.decide()
}

// Ready implements [reactor.Session].
func (x *flight) Ready() { x.decide() }

// Due implements [reactor.Session].
func (x *flight) Due() {
	if err := x.starve(os.ErrDeadlineExceeded); err != nil {
		x.finish(err)
		return
	}
	x.decide()
}

// decide goes on with the matching phase, until it is over or has to wait.
func (x *flight) decide() {
	for {
		switch err := x.receive(); {
		case errors.Is(err, reactor.ErrAgain):
			x.c.Idle()
			x.client.Wait(x.c.Deadline())
			return
		case err != nil:
			if err := x.starve(err); err != nil {
				x.finish(err)
				return
			}
		}
		r, need, err := x.choice.Try(x.c)
		if need == 0 {
			x.choice.End(x.c)
			x.chosen(r, err)
			return
		}
		x.need = need
	}
}

// receive waits for nothing: reactor.ErrAgain says that it would have to.
func (x *flight) receive() error {
	for len(x.c.Head()) < x.need {
		b, err := x.c.Room(x.need)
		if err != nil {
			return err
		}
		n, err := x.client.Recv(b)
		if errors.Is(err, reactor.ErrAgain) {
			return err
		}
		if err := x.c.Received(n, err); err != nil {
			return err
		}
	}
	return nil
}

// starve notes that no more bytes come before the phase is over. The error is for a
// client that nobody needs to answer.
func (x *flight) starve(why error) error {
	err := x.choice.Starve(x.c, why)
	if err != nil {
		x.choice.End(x.c)
	}
	x.need = 0
	return err
}

// chosen gives the connection to its route; nil: none took it.
func (x *flight) chosen(r *graph.Route, err error) {
	server := x.target.server
	switch {
	case err != nil:
		x.finish(err)
	case r == nil:
		x.finish(server.Run(x.e.life, x.c, nil))
	case r.Planner() == nil:
		x.land(func(ctx context.Context) error { return server.Run(ctx, x.c, r) })
	default:
		server.Enter(x.c, r)
		x.c.Enter(host.InConnect)
		x.planner = r.Planner()
		x.glance()
		x.connect()
	}
}

// glance takes what has come already from a client that was routed before its first
// byte: the upstream gets it with the handshake, and not a round later. An end or an
// error is the relay's to pass on.
func (x *flight) glance() {
	if len(x.c.Head()) > 0 {
		return
	}
	b, err := x.c.Room(1)
	if err != nil {
		return
	}
	if n, _ := x.client.Recv(b); n > 0 {
		_ = x.c.Received(n, nil)
	}
	x.c.Idle()
}

// connect makes the attempts that the planner plans, until one stands or is under
// way.
func (x *flight) connect() {
	for {
		if err := x.c.Killed(); err != nil {
			x.finish(err)
			return
		}
		d, err := x.planner.Plan(x.c, x.course.Attempt, x.course.Last)
		switch {
		case errors.Is(err, host.ErrBlocks):
			x.landConnecting(nil)
			return
		case err != nil:
			x.finish(err)
			return
		case d.After > 0 || d.Secure != nil:
			next := d // which escapes; d does not
			x.landConnecting(&next)
			return
		}
		if x.attempt(&d) {
			return
		}
	}
}

// attempt makes an attempt, and says whether it stands or is under way.
func (x *flight) attempt(d *host.Dial) bool {
	x.c.Record().Tries++
	x.c.Header(len(d.First))
	first := x.first(d)
	sent, err := x.client.Dial(reactor.Dial{
		Network: d.Network, Addr: d.Addr, Path: d.Path, Local: d.Local, Timeout: d.Timeout,
	}, first)
	switch {
	case err == nil:
		x.join(d, first, sent)
		return true
	case errors.Is(err, reactor.ErrPending):
		x.dial, x.dialing = *d, true
		return true
	}
	x.missed(d, err)
	return false
}

// first returns what the upstream gets first: the header of an attempt, and the head.
func (x *flight) first(d *host.Dial) []byte {
	if len(d.First) == 0 {
		return x.c.Head()
	}
	return append(d.First[:len(d.First):len(d.First)], x.c.Head()...)
}

func (x *flight) missed(d *host.Dial, err error) {
	d.Missed(x.c, err)
	x.course.Failed(err)
}

// Connected implements [reactor.Session].
func (x *flight) Connected(err error) {
	d := x.dial
	x.dial, x.dialing = host.Dial{}, false
	if err == nil {
		x.join(&d, x.first(&d), 0)
		return
	}
	x.missed(&d, err)
	x.connect()
}

// join begins the relay with the upstream that stands, to which so much was sent.
func (x *flight) join(d *host.Dial, first []byte, sent int) {
	d.Stood(x.c)
	x.leaveApproach()
	x.client.Relay(x.c.Give(first, sent), d.Relay)
}

// landConnecting goes on with the attempts in a goroutine, with d if that is not nil.
func (x *flight) landConnecting(d *host.Dial) {
	course, planner := x.course, x.planner
	course.Next = d
	landed := x.land(func(ctx context.Context) error { return course.Run(ctx, x.c, planner) })
	if !landed && d != nil {
		d.Dropped()
	}
}

// land gives the connection to a goroutine, or ends it.
func (x *flight) land(run func(context.Context) error) bool {
	x.leaveApproach()
	sock, err := x.detach()
	if err != nil {
		x.finish(err)
		return false
	}
	x.c.Adopt(sock)
	go x.serve(run)
	return true
}

// detach takes the socket out of the loop.
func (x *flight) detach() (*relay.Conn, error) {
	fd, err := x.client.Detach()
	if err != nil {
		return nil, err
	}
	f := x.c.Flow()
	return relay.NewConn(fd, netAddr(f.Local), netAddr(f.Remote))
}

func netAddr(a netip.AddrPort) net.Addr {
	if a.IsValid() {
		return net.TCPAddrFromAddrPort(a)
	}
	return &net.UnixAddr{Net: "unix"}
}

// Killed implements [reactor.Session].
func (x *flight) Killed(relay.Reason) {
	x.dropDial()
	err := x.c.Killed()
	if err == nil { // the loops end, which nobody said to the connection
		err = host.End(host.ByOperator, host.Drained, nil)
	}
	x.finish(err)
}

// dropDial counts an attempt out that is under way, and says nothing of the upstream.
func (x *flight) dropDial() {
	if x.approach != nil && x.dialing {
		x.dial.Dropped()
	}
}

// finish ends a connection that was not given away.
func (x *flight) finish(err error) {
	x.leaveApproach()
	x.undecided()
	x.client.Close(false)
	x.c.Drop(err)
}

// Ended implements [reactor.Session].
func (x *flight) Ended(r relay.Result) { x.c.Relayed(r) }

// Panicked implements [reactor.Session].
func (x *flight) Panicked(v any, stack []byte) {
	x.dropDial()
	x.panicked(v, stack)
}
