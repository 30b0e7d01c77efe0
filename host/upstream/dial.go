package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Dial is one attempt to reach an upstream. The planner has counted the attempt in with
// [Upstream.Acquire]; the [Course] that makes the attempt counts it out, once.
type Dial struct {
	Network string         // "tcp" or "unix"
	Addr    netip.AddrPort // the address to connect to, for tcp
	Path    string         // the address to connect to, for unix
	Local   netip.AddrPort // the address to connect from; without an address or a port the kernel chooses that
	First   []byte         // sent before the client's first bytes: a PROXY header
	After   time.Duration  // pause before the attempt
	Timeout time.Duration  // limit until the connection stands, with First sent; positive
	Up      *Upstream      // the upstream that the attempt counts for; may be nil
	Trial   bool           // as Upstream.Acquire returned
	More    bool           // the upstream has an address left to try: a failure does not count
	Relay   relay.Options  // limits of the relay; Done is not called
	Hop     Hop            // follows the attempt, which leads to a listener of this program; nil: nobody does

	// Secure is nil, or does a handshake on the connection that stands, and returns the
	// connection to use from then on. It has its own limit, and closes conn if it fails.
	// A session in an event loop lands before Secure is called.
	Secure func(ctx context.Context, conn net.Conn) (net.Conn, error)
}

// Hop follows an attempt that leads to a listener of this program, and its connection.
type Hop interface {
	Stood(local net.Addr) // tells which address the connection comes from
	Over()                // tells that the attempt failed, or that its connection has ended; more than once does no harm
}

// Connect makes the attempt: it returns a connection that stands, with First sent,
// within Timeout. It counts nothing, and leaves After and Secure to the caller.
func (d *Dial) Connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	conn, err := d.open(ctx)
	if err == nil && d.Hop != nil {
		d.Hop.Stood(conn.LocalAddr())
	}
	if err != nil || len(d.First) == 0 {
		return conn, err
	}
	at, _ := ctx.Deadline()
	_ = conn.SetWriteDeadline(at)
	if _, err := conn.Write(d.First); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("sending the header: %w", err)
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return conn, nil
}

// Keepalive of connections to upstreams: a dead one is found after a minute, 30 s of
// silence and three probes 10 s apart.
const (
	keepAliveIdle     = 30 * time.Second
	keepAliveInterval = 10 * time.Second
	keepAliveCount    = 3
)

func (d *Dial) open(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	}}
	dialer.SetMultipathTCP(false)
	if d.Network == "unix" {
		if d.Hop != nil {
			dialer.Control = func(_, _ string, raw syscall.RawConn) error { return bindAnyName(raw) }
		}
		conn, err := dialer.DialUnix(ctx, "unix", nil, &net.UnixAddr{Name: d.Path, Net: "unix"})
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	switch {
	case d.Local.Port() != 0:
		dialer.Control = func(_, _ string, raw syscall.RawConn) error { return sharePort(raw) }
	case d.Local.IsValid():
		dialer.Control = func(_, _ string, raw syscall.RawConn) error { return lateBind(raw) }
	}
	conn, err := dialer.DialTCP(ctx, "tcp", d.Local, d.Addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && !d.Local.IsValid() {
			op.Source = nil // else it reads "dial tcp :0->10.0.0.1:443"
		}
		return nil, err
	}
	return conn, nil
}

// over tells who follows the attempt that it is over.
func (d *Dial) over() {
	if d.Hop != nil {
		d.Hop.Over()
	}
}

// Dropped counts out an attempt that proves nothing of its upstream: the attempt was
// not made, or failed because this machine lacked something.
func (d *Dial) Dropped() {
	if d.Up != nil {
		d.Up.leave(d.Trial)
	}
}

// Failed counts out an attempt that failed with err, and logs if the upstream is out
// because of that. An attempt that failed for a reason of this machine is Dropped.
func (d *Dial) Failed(log *slog.Logger, err error) {
	switch {
	case d.Up == nil:
	case d.More || LocalFault(err):
		d.Dropped()
	case d.Up.failed(d.Trial):
		log.Warn("upstream is out", slog.String("upstream", d.Up.Name),
			slog.Duration("for", d.Up.options.FailFor), slog.Any("error", err))
	}
}

// stood counts an attempt that succeeded. Its connection stays counted in until
// [Upstream.Forget].
func (d *Dial) stood(log *slog.Logger) {
	if d.Up != nil && d.Up.stood(d.Trial) {
		log.Info("upstream takes connections again", slog.String("upstream", d.Up.Name))
	}
}

// LocalFault reports whether an attempt failed for a reason of this machine: no
// descriptor, no memory, no local port or one in use.
func LocalFault(err error) bool {
	for _, e := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
