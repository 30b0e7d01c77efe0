package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Attempts is what a Planner remembers of a connection from one attempt to the
// next. By tells whose memory it is: another Planner begins with the zero value.
type Attempts struct {
	By    any       // the Planner, a pointer
	Began time.Time // of the first attempt, if somebody needs it
	Tried [4]uint64 // a set of upstreams, by number
	At    int       // the upstream in hand, by number
	Again bool      // the next attempt is for the same one
	Addr  int       // how many of its addresses were tried
	Start uint32    // where among them the tries began
}

// Attempts returns the memory of the connection's Planner.
func (c *Conn) Attempts() *Attempts { return &c.attempts }

// Own says whether a listener of this program has the address, as far as the
// connection knows: at least the one that it came in by.
func (c *Conn) Own(a netip.AddrPort) bool {
	own := c.life.env.Own
	return a == c.flow.Local || own != nil && own(a)
}

// RunPlan makes the attempts that p plans, in the goroutine of the connection, and
// gives c to the relay when one stands. It is the Handle of a Planner. Bytes
// received from the client are sent to the upstream that stands, whatever became
// of earlier attempts.
func RunPlan(ctx context.Context, c *Conn, p Planner) error {
	return new(Course).Run(ctx, c, p)
}

// Course is how far the attempts to reach an upstream have come. The zero value is
// the beginning.
type Course struct {
	Attempt int   // how many were made
	Last    error // of the last one; nil before the first
	Next    *Dial // planned and not made; nil: the Planner is asked
}

// Failed notes that an attempt was made and failed with err.
func (k *Course) Failed(err error) {
	k.Attempt++
	k.Last = err
}

// Run goes on with the attempts in the goroutine of the connection, as RunPlan does
// from the beginning.
func (k *Course) Run(ctx context.Context, c *Conn, p Planner) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.life.stop.Store(&cancel)
	c.Enter(InConnect)
	for {
		d, err := k.next(ctx, c, p)
		if err != nil {
			return err
		}
		up, err := d.attempt(ctx, c)
		if err == nil {
			return c.Relay(relay.Endpoint{Conn: up}, d.Relay)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k.Failed(err)
	}
}

// next returns the attempt to be made.
func (k *Course) next(ctx context.Context, c *Conn, p Planner) (*Dial, error) {
	d := k.Next
	k.Next = nil
	if err := c.Killed(); err != nil {
		if d != nil {
			d.Dropped()
		}
		return nil, err
	}
	if d != nil {
		return d, nil
	}
	planned, err := p.Plan(c, k.Attempt, k.Last)
	if w, ok := p.(Waiter); ok && errors.Is(err, ErrBlocks) {
		planned, err = w.PlanWait(ctx, c, k.Attempt, k.Last)
	}
	return &planned, err
}

// attempt makes one attempt and counts it.
func (d *Dial) attempt(ctx context.Context, c *Conn) (net.Conn, error) {
	if err := pause(ctx, d.After); err != nil {
		d.Dropped()
		return nil, err
	}
	c.Record().Tries++
	conn, err := d.Connect(ctx)
	if err == nil && d.Secure != nil {
		conn, err = d.Secure(ctx, c, conn)
	}
	switch {
	case err == nil:
		d.Stood(c)
		return conn, nil
	case ctx.Err() != nil:
		d.Dropped()
	default:
		d.Missed(c, err)
	}
	return nil, err
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Connect returns a connection that stands, with First sent, within Timeout. It
// counts nothing and leaves Secure to the caller.
func (d *Dial) Connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	conn, err := d.open(ctx)
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

// The upstream's side of a TCP connection is found dead after a minute: 30 s of
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
		conn, err := dialer.DialUnix(ctx, "unix", nil, &net.UnixAddr{Name: d.Path, Net: "unix"})
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	var local netip.AddrPort
	if d.Local.IsValid() {
		local = netip.AddrPortFrom(d.Local, 0)
		dialer.Control = func(_, _ string, raw syscall.RawConn) error { return lateBind(raw) }
	}
	conn, err := dialer.DialTCP(ctx, "tcp", local, d.Addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && !local.IsValid() {
			op.Source = nil // else it reads "dial tcp :0->10.0.0.1:443"
		}
		return nil, err
	}
	return conn, nil
}

// Stood counts a successful attempt: from now until it ends, c is one of the
// upstream's connections.
func (d *Dial) Stood(c *Conn) {
	record := c.Record()
	record.Connected = max(c.Age(), 1)
	if d.Up == nil {
		return
	}
	record.Upstream = d.Up.Name
	if d.Up.stood(d.Trial) {
		c.Log().Info("upstream takes connections again", slog.String("upstream", d.Up.Name))
	}
	c.life.up = d.Up
	d.Up.keep(c.life)
}

// Failed counts an attempt out that failed with err, and logs when that begins a
// quarantine.
func (d *Dial) Failed(c *Conn, err error) {
	switch {
	case d.Up == nil:
	case d.More:
		d.Dropped()
	case d.Up.failed(d.Trial):
		c.Log().Warn("upstream is out", slog.String("upstream", d.Up.Name),
			slog.Duration("for", d.Up.options.FailFor), slog.Any("error", err))
	}
}

// Missed is Failed, or Dropped if the fault was this machine's.
func (d *Dial) Missed(c *Conn, err error) {
	if localFault(err) {
		d.Dropped()
		return
	}
	d.Failed(c, err)
}

// Dropped counts an attempt out that says nothing of the upstream: it was not
// made, or failed for want of something of this program's own.
func (d *Dial) Dropped() {
	if d.Up != nil {
		d.Up.leave(d.Trial)
	}
}

// localFault says whether an attempt failed for a reason of this machine's: no
// descriptor, no memory, no local port.
func localFault(err error) bool {
	for _, e := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Unreached says who ended a connection whose last attempt to reach an upstream
// failed with err, and why.
func Unreached(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return End(ByProxy, NoAddress, err)
	case localFault(err):
		return End(ByProxy, Cap, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return End(ByUpstream, Timeout, err)
	}
	return End(ByUpstream, Refused, err)
}
