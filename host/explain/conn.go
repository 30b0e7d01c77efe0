package explain

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// conn is the connection that is explained, as its handlers see it. One that Wrap made
// shares everything but flow and bytes.
type conn struct {
	*course
	flow   sdk.Flow
	sock   net.Conn // what Net returns once somebody asked; nil: nobody did
	phases int      // matching phases on these bytes
	on     string   // what the bytes are
}

// course is what all conns of one connection share.
type course struct {
	in       Input
	report   *Report
	facts    route.Facts
	attempts upstream.Attempts
	given    bool
	clients  clients
}

var (
	_ host.Conn     = (*conn)(nil)
	_ route.Chooser = (*conn)(nil)
)

// Flow implements [host.View].
func (c *conn) Flow() *sdk.Flow { return &c.flow }

// Get implements [host.View].
func (c *conn) Get(name string) (string, bool) {
	if v, ok := c.facts.Get(name); ok {
		return v, true
	}
	if key, ok := strings.CutPrefix(name, "env."); ok && c.in.Getenv != nil {
		return c.in.Getenv(key), true
	}
	return host.FlowFact(&c.flow, 1, name)
}

// Charge implements [host.Conn]: an explanation holds nothing for long.
func (c *conn) Charge(int) error { return nil }

// Set records a variable. With Get it makes conn the [sdk.Facts] of its flow.
func (c *conn) Set(key string, value []byte) { c.facts.Put("vars", key, value) }

// Log implements [host.View].
func (c *conn) Log() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Attempts implements [host.View].
func (c *conn) Attempts() *upstream.Attempts { return &c.attempts }

// Own implements [host.View].
func (c *conn) Own(a netip.AddrPort) bool { return a == c.flow.Local }

// Head implements [host.Conn].
func (c *conn) Head() []byte { return c.flow.Head }

// Peek implements [host.Conn]: no more bytes come than there are.
func (c *conn) Peek(n int) error {
	if len(c.flow.Head) < n {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Discard implements [host.Editor].
func (c *conn) Discard(n int) {
	c.flow.Rehead(c.flow.Head[min(n, len(c.flow.Head)):])
	c.on, c.phases = restBytes, 0
}

// Put implements [host.Conn].
func (c *conn) Put(of, key, value string) bool { return c.facts.PutString(of, key, value) }

// Readdress implements [host.Editor].
func (c *conn) Readdress(remote, local netip.AddrPort) {
	if !c.flow.Proxied && c.flow.Remote.IsValid() {
		c.Put("conn", "peer_addr", c.flow.Remote.String())
	}
	c.flow.Remote, c.flow.Local, c.flow.Proxied = host.Plain(remote), host.Plain(local), true
}

// Step implements [host.Conn]: no more bytes come than there are.
func (c *conn) Step(h host.Stepper) error {
	wait, err := h.Step(c, nil)
	if err == nil && wait.Bytes > len(c.flow.Head) {
		_, err = h.Step(c, os.ErrDeadlineExceeded)
	}
	return err
}

// Enter implements [host.Conn].
func (c *conn) Enter(host.Phase) {}

// Net implements [host.Conn]: a client in memory that can answer a handshake, if the bytes
// begin one, or else the bytes and then their end.
func (c *conn) Net() net.Conn {
	if c.sock == nil {
		c.sock = c.clients.connect(&c.in, c.flow.Head)
	}
	return c.sock
}

// Wrap implements [host.Conn]: the bytes inside are those that the input has for them.
func (c *conn) Wrap(inner net.Conn) host.Conn {
	w := &conn{course: c.course, flow: c.flow.Fresh(), sock: inner, on: insideBytes}
	if t, ok := inner.(negotiated); ok && c.in.Inside != nil {
		w.flow.Head = c.in.Inside(t.ConnectionState().NegotiatedProtocol)
	}
	w.flow.Head = w.flow.Head[:min(len(w.flow.Head), w.flow.MaxHead)]
	w.flow.Bind(w)
	return w
}

// Given implements [host.Conn].
func (c *conn) Given() bool { return c.given }

// Connect implements [host.Conn]: it says where the connection would be sent.
func (c *conn) Connect(_ context.Context, p host.Planner) error {
	x, ok := p.(host.Prospector)
	if !ok {
		c.given, c.report.routed = true, true
		return nil
	}
	names, err := x.Prospects(c)
	if err != nil {
		return err
	}
	c.given, c.report.routed, c.report.Upstreams = true, true, names
	return nil
}

// Relay implements [host.Conn]: nothing is relayed.
func (c *conn) Relay(up relay.Endpoint, _ relay.Options) error {
	c.given, c.report.routed = true, true
	if up.Conn != nil {
		_ = up.Conn.Close()
	}
	return nil
}

// Choose implements [route.Chooser]: it explains a matching phase.
func (c *conn) Choose(rs *route.Routes) (*route.Route, error) {
	p := Phase{On: c.on, Bytes: len(c.flow.Head)}
	if c.phases++; c.phases > 1 {
		p.On = sameBytes
	}
	full := len(c.flow.Head) >= c.flow.MaxHead
	c.in.Logs.listen()
	now := rs.Explain(&c.flow, c, full)
	p.Logs = c.in.Logs.take()
	later := now
	if now.Need > 0 {
		later = rs.Explain(&c.flow, c, true)
	}
	p.describe(c.flow.Head, &now, &later)
	if c.in.Cuts {
		p.Cut = c.cuts(rs, &later)
	}
	c.report.Phases = append(c.report.Phases, p)
	for _, f := range later.Facts {
		of, key, _ := strings.Cut(f.Name, ".")
		c.Put(of, key, f.Value)
	}
	if later.Err != nil {
		return nil, host.End(host.ByProxy, host.Failed, later.Err)
	}
	return later.Route, nil
}
