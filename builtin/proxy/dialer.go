package proxy

import (
	"context"
	"errors"
	"net"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
)

// dialer is how connections to the addresses of one upstream are made.
type dialer struct {
	local   localAddrs
	header  version
	secured *secured // nil: no TLS
	checks  *secured // TLS of checks where secured has none; nil: none
	also    []target // further addresses that get all the client's bytes
	timeout time.Duration
}

// extends reports whether a connection to p is not ready when it stands.
func (d *dialer) extends(p place) bool {
	return d.secured.covers(p) || len(d.also) > 0
}

// tls returns what does the handshake with p, nil if there is none. c is nil for checks.
func (d *dialer) tls(c host.View, p place) *secured {
	switch {
	case d.secured.covers(p):
		return d.secured
	case c == nil && d.checks.covers(p):
		return d.checks
	}
	return nil
}

// extend makes of conn, which leads to p, what the relay gets: TLS on it, and the
// connections to the other addresses beside it. It closes conn if it fails.
func (d *dialer) extend(ctx context.Context, c host.View, conn net.Conn, p place) (net.Conn, error) {
	conn, err := d.secure(ctx, c, conn, p)
	if err != nil || len(d.also) == 0 {
		return conn, err
	}
	all := []net.Conn{conn}
	giveBack := func() {}
	if s, ok := c.(host.Spender); ok {
		giveBack, err = s.Spend(len(d.also))
	}
	for i := 0; i < len(d.also) && err == nil; i++ {
		if conn, _, err = d.dial(ctx, c, d.also[i], d.header.of(c.Flow())); err == nil {
			all = append(all, conn)
		}
	}
	if err == nil {
		return newFan(all, giveBack), nil
	}
	for _, conn := range all {
		_ = conn.Close()
	}
	if giveBack != nil {
		giveBack()
	}
	return nil, err
}

func (d *dialer) secure(ctx context.Context, c host.View, conn net.Conn, p place) (net.Conn, error) {
	s := d.tls(c, p)
	if s == nil {
		return conn, nil
	}
	return s.handshake(ctx, c, conn, p)
}

// dial connects to t, whose addresses it tries in turn, sends the header and does
// the handshake. c is nil for checks. It returns where the connection leads.
func (d *dialer) dial(ctx context.Context, c host.View, t target, header []byte) (net.Conn, place, error) {
	var (
		p      place
		course upstream.Course
		tried  upstream.Attempts
		failed error
		more   = true // addresses
	)
	if k, ok := c.(host.Checker); ok {
		course.Check = k.Check
	}
	conn, attempt, err := course.Reach(ctx, nil, func(ctx context.Context, last error) (upstream.Dial, error) {
		if failed = errors.Join(failed, last); !more {
			return upstream.Dial{}, failed
		}
		var err error
		switch p, err = d.find(ctx, c, t, &tried); {
		case errors.Is(err, errSpent):
			return upstream.Dial{}, failed
		case err != nil:
			return upstream.Dial{}, errors.Join(failed, err)
		}
		more = p.more
		return d.attempt(c, p, header), nil
	})
	if err == nil && attempt.Hop != nil {
		conn = &followed{conn, attempt.Hop}
	}
	return conn, p, err
}

// followed is a connection to a listener of this program, beside the one that a session has.
type followed struct {
	net.Conn
	hop upstream.Hop
}

// Close ends the connection, and tells who follows it.
func (f *followed) Close() error {
	defer f.hop.Over()
	return f.Conn.Close()
}

// CloseWrite ends the sending side.
func (f *followed) CloseWrite() error {
	if w, ok := f.Conn.(relay.CloseWriter); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn implements [relay.NetConner].
func (f *followed) NetConn() net.Conn { return f.Conn }

// find asks where the next attempt goes, within the time an attempt may take.
func (d *dialer) find(ctx context.Context, c host.View, t target, a *upstream.Attempts) (place, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	return d.locate(ctx, c, t, a, true)
}

// locate asks where the next attempt goes, and where it comes from.
func (d *dialer) locate(ctx context.Context, c host.View, t target, a *upstream.Attempts, wait bool) (place, error) {
	p, err := t.find(ctx, c, a, wait)
	if err == nil {
		p.local, err = d.local.of(c, p.addr)
	}
	return p, err
}

// attempt is one attempt to reach p, which counts for no upstream.
func (d *dialer) attempt(c host.View, p place, header []byte) upstream.Dial {
	return upstream.Dial{
		Network: p.network, Addr: p.addr, Path: p.path, Local: p.local, First: header, Timeout: d.timeout,
		Secure: func(ctx context.Context, conn net.Conn) (net.Conn, error) { return d.secure(ctx, c, conn, p) },
	}
}
