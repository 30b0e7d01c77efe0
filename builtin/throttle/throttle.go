// Package throttle holds the handler throttle, which slows connections down: what clients
// send, what they get, each of them and all together.
//
//	route {
//		throttle {
//			read_bytes_per_second 64KiB
//			total_write_bytes_per_second 10MB
//		}
//		proxy 127.0.0.1:8080
//	}
package throttle

import (
	"context"
	"fmt"
	"math"
	"net"
	"strconv"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// limit is one rate with its burst, as they are written.
type limit struct {
	name  string  // the option of the rate, read_bytes_per_second
	rate  float64 // bytes a second; 0: there is no limit
	burst int64   // bytes; 0: not written
	at    sdk.Pos // of the burst
}

// The limits: each for one connection or for all together, in one direction.
const (
	read = iota
	totalRead
	write
	totalWrite
	limits
)

// names are what the options of each limit begin with.
func names() [limits]string { return [...]string{"read", "total_read", "write", "total_write"} }

// settings is the block as it is written.
type settings struct {
	latency time.Duration
	limits  [limits]limit
}

// options are what stands in the block.
func options() []sdk.Option[settings] {
	all := []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "latency", Doc: "How much later the client's bytes come, each read of them", Default: "off",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("D", sdk.Duration))},
		}, sdk.SetLimit(func(s *settings) *time.Duration { return &s.latency })),
	}
	whose := [limits]string{"that a client may send", "that all clients together may send", "that a client is sent", "that all clients together are sent"}
	for i, name := range names() {
		rate, burst := name+"_bytes_per_second", name+"_burst_size"
		all = append(
			all,
			sdk.Line(sdk.Spec{
				Name: rate, Doc: "Bytes a second " + whose[i], Default: "no limit",
				Args: []sdk.Arg{sdk.One("RATE", sdk.Free)},
			}, func(s *settings, n *sdk.Node) (err error) {
				s.limits[i].name = rate
				s.limits[i].rate, err = parseRate(n)
				return err
			}),
			sdk.Line(sdk.Spec{
				Name: burst, Doc: "Bytes that may pass at once after a pause", Default: "those of a second",
				Args: []sdk.Arg{sdk.One("SIZE", sdk.Size)},
			}, func(s *settings, n *sdk.Node) error {
				s.limits[i].at = n.Pos
				return sdk.SetSize(func(s *settings) *int64 { return &s.limits[i].burst })(s, n)
			}),
		)
	}
	return all
}

// parseRate reads a rate: a size, or a number as a Caddyfile has it.
func parseRate(n *sdk.Node) (float64, error) {
	w := n.Args[0]
	if size, err := sdk.ParseSize(w.Text); err == nil && size > 0 {
		return float64(size), nil
	}
	if rate, err := strconv.ParseFloat(w.Text, 64); err == nil && rate > 0 && !math.IsInf(rate, 0) {
		return rate, nil
	}
	return 0, sdk.Errorf(w.Pos, "%q is no rate: write bytes a second, as 1500, 64KiB or 10MB", w.Text)
}

// Spec describes the handler.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "throttle", Doc: "Slows connections down: so many bytes a second, and a delay", Need: true,
		Block: &sdk.Block{Options: sdk.Specs(options())},
	}
}

// New makes the handler from its directive.
func New(b host.Builder, n *sdk.Node) (host.Handler, error) {
	var (
		s    settings
		errs sdk.Errors
	)
	errs.Add(n.Pos, sdk.Apply(&s, n.Block, options()))
	for i := range s.limits {
		errs.Add(n.Pos, s.limits[i].complete(names()[i]))
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	h := &Handler{latency: s.latency}
	h.read, h.write = s.limits[read], s.limits[write]
	for i, shared := range map[int]**bucket{totalRead: &h.totalRead, totalWrite: &h.totalWrite} {
		if err := pooled(b, n, &s.limits[i], shared); err != nil {
			return nil, err
		}
	}
	if s == (settings{}) {
		b.Warnf(n.Pos, "throttle slows nobody down: write a rate, as read_bytes_per_second 64KiB, or leave it out")
	}
	return h, nil
}

// complete fills in the burst of a limit whose options begin with name.
func (l *limit) complete(name string) error {
	switch {
	case l.burst > 0 && l.rate == 0:
		return sdk.Errorf(l.at, "%s_burst_size bounds nothing without a rate: write %s_bytes_per_second too", name, name)
	case l.rate > 0 && l.burst == 0:
		l.burst = int64(min(math.Ceil(l.rate), math.MaxInt32))
	}
	return nil
}

// pooled gives a limit for all clients together its bucket. The same directive of the next
// configuration finds the same one.
func pooled(b host.Builder, n *sdk.Node, l *limit, to **bucket) (err error) {
	if l.rate > 0 {
		key := fmt.Sprintf("throttle %v %s %g %d", n.Pos, l.name, l.rate, l.burst)
		*to, err = host.Share(b, key, func() (*bucket, error) { return l.bucket(), nil })
	}
	return err
}

// bucket returns a full bucket of the limit; nil: there is no limit.
func (l *limit) bucket() *bucket {
	if l.rate == 0 {
		return nil
	}
	return &bucket{rate: l.rate, burst: float64(l.burst), tokens: float64(l.burst)}
}

// Handler slows connections down. Connections change only its buckets.
type Handler struct {
	latency               time.Duration
	read, write           limit
	totalRead, totalWrite *bucket // nil: no limit
}

// Handle hands on a connection that is as slow as it is to be. What of its first bytes has
// come already counts like the rest.
func (h *Handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	slow := h.slow(c.Net())
	stop := context.AfterFunc(ctx, slow.wake)
	defer stop() // ctx ends with this goroutine, also where a relay goes on
	return next(ctx, c.Wrap(slow))
}

// slow returns a connection that is as slow as the handler says.
func (h *Handler) slow(inner net.Conn) *conn {
	c := &conn{Conn: inner, closed: make(chan struct{})}
	c.reads.init(h.latency, h.read.bucket(), h.totalRead)
	c.writes.init(0, h.write.bucket(), h.totalWrite)
	return c
}
