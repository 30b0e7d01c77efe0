package proxy

import (
	"context"
	"errors"
	"net"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/upstream"
)

// dialer is how connections to the addresses of one upstream are made.
type dialer struct {
	local   localAddrs
	header  version
	secured *secured // nil: no TLS
	also    []target // further addresses that get all the client's bytes
	timeout time.Duration
}

// extends reports whether a connection to p is not ready when it stands.
func (d *dialer) extends(p place) bool {
	return d.secured.covers(p) || len(d.also) > 0
}

// extend makes of conn, which leads to p, what the relay gets: TLS on it, and the
// connections to the other addresses beside it. It closes conn if it fails.
func (d *dialer) extend(ctx context.Context, c host.View, conn net.Conn, p place) (net.Conn, error) {
	conn, err := d.secure(ctx, c, conn, p)
	if err != nil || len(d.also) == 0 {
		return conn, err
	}
	all := []net.Conn{conn}
	for _, t := range d.also {
		conn, err := d.dial(ctx, c, t, d.header.of(c.Flow()))
		if err != nil {
			for _, conn := range all {
				_ = conn.Close()
			}
			return nil, err
		}
		all = append(all, conn)
	}
	return newFan(all), nil
}

func (d *dialer) secure(ctx context.Context, c host.View, conn net.Conn, p place) (net.Conn, error) {
	if !d.secured.covers(p) {
		return conn, nil
	}
	return d.secured.handshake(ctx, c, conn, p)
}

// dial connects to t, whose addresses it tries in turn, sends the header and does
// the handshake. c is nil for checks.
func (d *dialer) dial(ctx context.Context, c host.View, t target, header []byte) (net.Conn, error) {
	var (
		course upstream.Course
		tried  upstream.Attempts
		failed error
		more   = true // addresses
	)
	conn, _, err := course.Reach(ctx, nil, func(ctx context.Context, last error) (upstream.Dial, error) {
		if failed = errors.Join(failed, last); !more {
			return upstream.Dial{}, failed
		}
		p, err := d.find(ctx, c, t, &tried)
		if err != nil {
			return upstream.Dial{}, errors.Join(failed, err)
		}
		more = p.more
		return d.attempt(c, p, header), nil
	})
	return conn, err
}

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
