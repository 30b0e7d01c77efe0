package session

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// Hops follows connections that a program makes to its own listeners. A chain of them is
// fine: one listener terminates TLS, another one routes what is inside. A loop is not: it
// would fill all descriptors. What tells them apart is where a connection has been: one that
// comes to the same route of the same listener, to go to the same upstream, goes round.
//
// Such a connection is two sessions of the program, one at each end. What joins them is the
// address that the first one connects from, which is the peer of the second one. The zero
// value is ready; its methods may be called from any goroutine.
type Hops struct {
	mu       sync.Mutex
	standing map[ends]*hop            // connections that stand
	pending  map[string]map[*hop]bool // attempts by where they lead, until they stand or are over
	changed  chan struct{}            // closed when an attempt is no longer pending; nil: nobody waits
	warned   time.Time
}

// ends are the two ends of a connection, as both sessions see them: the port or the name of
// the side that connects, and the address of the listener, "" for Unix sockets.
type ends struct{ from, to string }

// hop is a connection of the program to itself. It implements [upstream.Hop].
type hop struct {
	hops   *Hops
	to     string
	before *hop   // by which the session came that connects; nil: from elsewhere
	step   string // listener, route and upstream of that session
	depth  int

	at ends // once the connection stands
}

var _ upstream.Hop = (*hop)(nil)

// maxHops is how many listeners of one program a connection may pass.
const maxHops = 16

// warnApart is the time between two warnings of a loop.
const warnApart = 10 * time.Second

// home reports whether an attempt leads to a listener of this program.
func (s *Session) home(f *sdk.Flow, d *upstream.Dial) bool {
	switch {
	case s.env.Hops == nil:
		return false
	case d.Network == "unix":
		return s.env.OwnPath != nil && s.env.OwnPath(d.Path, !f.Remote.IsValid())
	}
	return s.own(f, d.Addr)
}

// Check implements [host.View]: see [upstream.Course.Check].
func (c *conn) Check(ctx context.Context, d *upstream.Dial) error {
	s, f := c.s, &c.h.flow
	if !s.home(f, d) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	t := s.env.Hops
	before, err := t.find(ctx, endsOf(c.sock))
	if err != nil {
		return err
	}
	step := f.Listener + " " + s.Route()
	if d.Up != nil {
		step += " " + d.Up.Name
	}
	if before.passed(step) {
		if t.mayWarn() {
			s.env.Log.Warn("a connection leads back here: it is refused", slog.String("route", s.Route()),
				slog.String("upstream", textOf(d)))
		}
		return fmt.Errorf("connecting to %s: %w", textOf(d), host.ErrLoop)
	}
	d.Hop = t.begin(before, step, leadsTo(d))
	return nil
}

// textOf returns the address of an attempt.
func textOf(d *upstream.Dial) string { return host.Target{Addr: d.Addr, Path: d.Path}.String() }

// leadsTo returns what the session at the other end knows as its local address.
func leadsTo(d *upstream.Dial) string {
	if d.Network == "unix" {
		return ""
	}
	to := host.Plain(d.Addr)
	if to.Addr().IsUnspecified() { // a way to write this machine
		loopback := netip.IPv6Loopback()
		if to.Addr().Is4() {
			loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		to = netip.AddrPortFrom(loopback, to.Port())
	}
	return to.String()
}

// endsOf returns the ends of an accepted connection.
func endsOf(sock net.Conn) ends { return endsFrom(sock.RemoteAddr(), sock.LocalAddr()) }

func endsFrom(from, to net.Addr) ends {
	switch from := from.(type) {
	case *net.TCPAddr:
		if to, ok := to.(*net.TCPAddr); ok {
			return ends{strconv.Itoa(from.Port), host.Plain(to.AddrPort()).String()}
		}
	case *net.UnixAddr:
		return ends{from: from.Name}
	}
	return ends{}
}

// passed reports whether a connection that came by h has taken a step before, or too many.
func (h *hop) passed(step string) bool {
	if h != nil && h.depth >= maxHops {
		return true
	}
	for ; h != nil; h = h.before {
		if h.step == step {
			return true
		}
	}
	return false
}

// mayWarn reports whether the last warning is long ago.
func (t *Hops) mayWarn() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.warned) < warnApart {
		return false
	}
	t.warned = now
	return true
}

// begin notes an attempt.
func (t *Hops) begin(before *hop, step, to string) *hop {
	h := &hop{hops: t, to: to, before: before, step: step}
	if before != nil {
		h.depth = before.depth + 1
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.standing == nil {
		t.standing, t.pending = map[ends]*hop{}, map[string]map[*hop]bool{}
	}
	if t.pending[to] == nil {
		t.pending[to] = map[*hop]bool{}
	}
	t.pending[to][h] = true
	return h
}

// find returns the hop by which a session came, or nil. The other end may just be about to
// tell: find waits for attempts that are pending now, and no others.
func (t *Hops) find(ctx context.Context, at ends) (*hop, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var waiting []*hop
	for h := range t.pending[at.to] {
		waiting = append(waiting, h)
	}
	for {
		if h := t.standing[at]; h != nil {
			return h, nil
		}
		if !t.anyPending(at.to, waiting) {
			return nil, nil
		}
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		t.mu.Lock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

func (t *Hops) anyPending(to string, hops []*hop) bool {
	for _, h := range hops {
		if t.pending[to][h] {
			return true
		}
	}
	return false
}

// Stood implements [upstream.Hop].
func (h *hop) Stood(local net.Addr) {
	t := h.hops
	t.mu.Lock()
	defer t.mu.Unlock()
	h.at.to = h.to
	switch local := local.(type) {
	case *net.TCPAddr:
		h.at.from = strconv.Itoa(local.Port)
	case *net.UnixAddr:
		h.at.from = local.Name
	}
	if h.at.from != "" {
		t.standing[h.at] = h
	}
	t.settle(h)
}

// Over implements [upstream.Hop].
func (h *hop) Over() {
	t := h.hops
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.standing[h.at] == h {
		delete(t.standing, h.at)
	}
	t.settle(h)
}

// settle notes that an attempt is no longer pending. t.mu is held.
func (t *Hops) settle(h *hop) {
	delete(t.pending[h.to], h)
	if len(t.pending[h.to]) == 0 {
		delete(t.pending, h.to)
	}
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}
