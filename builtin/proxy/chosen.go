package proxy

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/special"
	"dwaar.dev/dwaar/host/upstream"
)

// chosen is an address with placeholders: what the client sent, or what the
// environment holds, says where to connect.
type chosen struct {
	host, port host.Template // no port: the host's value holds it
	prefer     preference
	pool       *names.Pool
	guard      *guard // nil: the operator alone chooses, by {env.…}
}

func (t *chosen) find(ctx context.Context, c host.View, a *upstream.Attempts, wait bool) (place, error) {
	if p, ok := t.socket(c); ok {
		return p, nil
	}
	name, port, err := t.expand(c)
	if err != nil {
		return place{}, err
	}
	addrs, err := t.resolve(ctx, c, name, wait)
	if err != nil {
		return place{}, err
	}
	addr, count := t.prefer.at(addrs, a.Addr, 0)
	if count = min(count, maxTries); count == 0 {
		return place{}, clientErrorf("connecting to %s: it has no address of the family that resolver_preference or local_addr asks for", name)
	}
	to := netip.AddrPortFrom(addr, port)
	if t.guard != nil {
		if err := t.guard.permits(name, to, t.own(c)); err != nil {
			return place{}, err
		}
	}
	a.Addr++
	a.Again = a.Addr < count
	return place{network: "tcp", addr: to, host: name, more: a.Again}, nil
}

// expand fills the placeholders in. A value is an address or made of DNS labels.
func (t *chosen) expand(c host.View) (name string, port uint16, err error) {
	var bad error
	get := func(fact string) (string, bool) {
		v, ok := c.Get(fact)
		if _, no := netip.ParseAddr(v); ok && !t.whole() && no != nil && !isName(v) {
			bad = fmt.Errorf("%q in {%s} is neither an address nor made of DNS labels", v, fact)
		}
		return v, ok
	}
	name, text, err := t.parts(get)
	if err = cmp.Or(bad, err); err != nil {
		return "", 0, clientErrorf("filling in %s: %w", t, err)
	}
	port, err = parsePort(text)
	if _, no := netip.ParseAddr(name); err != nil || no != nil && !isName(name) {
		return "", 0, clientErrorf("filling in %s: %q, port %q, is no address", t, name, text)
	}
	return strings.ToLower(name), port, nil
}

// parts fills in host and port, each by itself.
func (t *chosen) parts(get func(string) (string, bool)) (name, port string, err error) {
	if name, err = t.host.Expand(get); err != nil {
		return "", "", err
	}
	if t.whole() {
		return net.SplitHostPort(name)
	}
	port, err = t.port.Expand(get)
	return name, port, err
}

// whole reports whether one placeholder stands for host and port.
func (t *chosen) whole() bool { return t.port.String() == "" }

// String returns the address as it is written.
func (t *chosen) String() string {
	if t.whole() {
		return t.host.String()
	}
	return t.host.String() + ":" + t.port.String()
}

// resolve returns the addresses of what a client chose. The lookup is on the account of the
// client's crowd.
func (t *chosen) resolve(ctx context.Context, c host.View, name string, wait bool) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	if t.guard != nil && !t.guard.mayAsk(name) {
		return nil, clientErrorf("connecting to %s: allow does not name it", name)
	}
	if !wait {
		return nil, host.ErrBlocks
	}
	addrs, err := t.pool.Resolve(ctx, crowd(c.Flow().Remote.Addr()), name)
	if err != nil {
		return nil, clientError{err}
	}
	return addrs, nil
}

// crowd returns the network of one subscriber: an IPv4 address, or 64 bits of IPv6. All
// clients of Unix sockets share one.
func crowd(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for no address: then the zero prefix is right
	return p
}

// guard says where clients may have us connect.
type guard struct {
	names    []string // lower case; "*.example.com" is exactly one label
	prefixes []netip.Prefix
	written  bool // the operator wrote the addresses, in a map: all are allowed but the listener of the connection
}

func (g *guard) empty() bool { return len(g.names) == 0 && len(g.prefixes) == 0 }

// mayAsk reports whether a name may be resolved: with names alone in allow, only
// those.
func (g *guard) mayAsk(name string) bool {
	return len(g.names) == 0 || len(g.prefixes) > 0 || g.hasName(name)
}

// permits reports whether a connection to the address that name led to is allowed.
// allow, where there is any, must name one of them. What a name leads to is the
// affair of whoever runs its zone, so that only a range in allow opens what is
// closed to clients in general; and a listener of ours, which would be a loop, only
// as an address of its own.
func (g *guard) permits(name string, to netip.AddrPort, own func(netip.AddrPort) bool) error {
	addr := to.Addr()
	inRange, exact := g.hasAddr(addr)
	what := special.What(addr)
	switch {
	case !exact && leadsTo(to, own):
		return clientErrorf("connecting to %s: a listener of this program", to)
	case inRange, g.written:
		return nil
	case what != "":
		return clientErrorf("connecting to %s: it is %s, which clients may not choose without allow %s", to, what, addr.WithZone(""))
	case g.empty() || g.hasName(name):
		return nil
	}
	return clientErrorf("connecting to %s (%s): allow names neither", to, name)
}

// leadsTo reports whether an address, or an IPv4 address that it stands for, is a listener
// of this program.
func leadsTo(to netip.AddrPort, own func(netip.AddrPort) bool) bool {
	if own(to) {
		return true
	}
	for _, v4 := range special.Embedded(to.Addr()) {
		if own(netip.AddrPortFrom(v4, to.Port())) {
			return true
		}
	}
	return false
}

func (g *guard) hasName(name string) bool {
	for _, n := range g.names {
		if domain, any := strings.CutPrefix(n, "*."); any {
			if label, rest, ok := strings.Cut(name, "."); ok && label != "" && rest == domain {
				return true
			}
		} else if n == name {
			return true
		}
	}
	return false
}

// hasAddr reports whether a range holds addr, and whether it holds nothing else.
func (g *guard) hasAddr(addr netip.Addr) (inRange, exact bool) {
	for _, p := range g.prefixes {
		if p.Contains(addr) {
			inRange = true
			exact = exact || p.IsSingleIP()
		}
	}
	return inRange, exact
}
