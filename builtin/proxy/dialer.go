package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"dwaar.dev/dwaar/host"
)

// dialer is how connections to the addresses of one upstream are made.
type dialer struct {
	local   netip.Addr // the zero Addr: the kernel chooses
	header  version
	secured *secured // nil: no TLS
	also    []target // further addresses that get all the client's bytes
	timeout time.Duration
}

// extends says whether a connection to p is not ready when it stands.
func (d *dialer) extends(p place) bool {
	return d.secured.covers(p) || len(d.also) > 0
}

// extend makes of conn, which leads to p, what the relay gets: TLS on it, and the
// connections to the other addresses beside it. It closes conn if it fails.
func (d *dialer) extend(ctx context.Context, c *host.Conn, conn net.Conn, p place) (net.Conn, error) {
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

func (d *dialer) secure(ctx context.Context, c *host.Conn, conn net.Conn, p place) (net.Conn, error) {
	if !d.secured.covers(p) {
		return conn, nil
	}
	return d.secured.handshake(ctx, c, conn, p)
}

// dial connects to t, whose addresses it tries in turn, sends the header and does
// the handshake. c is nil for checks.
func (d *dialer) dial(ctx context.Context, c *host.Conn, t target, header []byte) (net.Conn, error) {
	var tried host.Attempts
	var failed error
	for {
		conn, p, err := d.dialOne(ctx, c, t, &tried, header)
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
		if !p.more || ctx.Err() != nil {
			return nil, failed
		}
	}
}

func (d *dialer) dialOne(ctx context.Context, c *host.Conn, t target, a *host.Attempts, header []byte) (net.Conn, place, error) {
	timed, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	p, err := t.find(timed, c, a, true)
	if err != nil {
		return nil, p, err
	}
	attempt := host.Dial{
		Network: p.network, Addr: p.addr, Path: p.path, Local: d.local, First: header, Timeout: d.timeout,
	}
	conn, err := attempt.Connect(timed)
	if err != nil {
		return nil, p, err
	}
	conn, err = d.secure(ctx, c, conn, p)
	return conn, p, err
}
