// Package proxy holds the handler that sends a connection to one of several
// upstreams and relays bytes both ways:
//
//	proxy 10.0.1.10:5432 10.0.1.11:5432 {
//		lb_policy least_conn
//		health_interval 5s
//	}
//
// It chooses by policy among the upstreams that are fit: not quarantined after
// failed dials, not found unhealthy by checks, not full. What is known of an
// entry is a upstream.Upstream that configurations with the same line share, so a
// reload keeps counters and health.
//
// The handler is a host.Planner: with addresses that are known it never waits and
// allocates nothing until a connection stands. Host names are resolved beside the
// connections. docs/proxy.md is for users.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
)

// Handler is a proxy directive, ready for connections. It is a host.Planner and a
// host.WaitingPlanner.
type Handler struct {
	primaries, backups []member
	balance            balance
	blocks             string // why every attempt needs a goroutine; "": none does
	timeout            time.Duration
	firstCheck         time.Duration // how long connections wait for the first result of a check
	tryFor, tryEvery   time.Duration
	relay              relay.Options

	born   time.Time
	dark   atomic.Bool  // the last connection found no upstream
	warned atomic.Int64 // when that was logged, in ns since born
}

// maxUpstreams bounds the upstreams of one directive: upstream.Attempts keeps a set of
// them, and the choice a list on the stack.
const maxUpstreams = 256

// member is an upstream with what this directive alone says of it.
type member struct {
	up     *upstream.Upstream
	number int // in upstream.Attempts
	target target
	named  *named // target, if that is a name; nil otherwise
	limit  int64  // open connections, of all configurations together; 0: none
	weight int    // for weighted_round_robin, at least 1
	seed   uint64 // of the name, for ip_hash
	dialer dialer
}

var (
	errOut  = errors.New("choosing an upstream: every one is out or unhealthy")
	errFull = errors.New("choosing an upstream: those that are not out have as many connections as they may")
)

// Handle proxies the connection in its goroutine.
func (h *Handler) Handle(ctx context.Context, c host.Conn, _ host.Next) error {
	return c.Connect(ctx, h)
}

// Plan chooses where to connect next. It never waits: host.ErrBlocks says that a
// name is not resolved yet, that the upstream needs a handshake or several
// connections, or that there is nothing to do but wait for an upstream.
func (h *Handler) Plan(c host.View, last error) (upstream.Dial, error) {
	if h.blocks != "" {
		return upstream.Dial{}, host.ErrBlocks
	}
	return h.plan(context.Background(), c, last, false)
}

// Blocks says why Plan never succeeds, "" if it may.
func (h *Handler) Blocks() string { return h.blocks }

// PlanWait chooses where to connect next and waits for what that takes.
func (h *Handler) PlanWait(ctx context.Context, c host.View, last error) (upstream.Dial, error) {
	var w waiting
	for {
		d, err := h.plan(ctx, c, last, true)
		if !errors.Is(err, host.ErrBlocks) {
			return d, err
		}
		if err := w.pause(ctx, h, c.Attempts()); err != nil {
			return upstream.Dial{}, err
		}
	}
}

func (h *Handler) plan(ctx context.Context, c host.View, last error, wait bool) (upstream.Dial, error) {
	a := h.attempts(c)
	for {
		t, err := h.take(c, a, last)
		if err != nil {
			return upstream.Dial{}, err
		}
		d := upstream.Dial{Up: t.up, Trial: t.trial, Timeout: h.timeout, Relay: h.relay}
		p, err := h.find(ctx, c, &t, a, wait)
		switch {
		case err == nil:
			if !wait {
				d.After = t.after
			}
			h.fill(&d, c, t.member, p)
			return d, nil
		case !wait:
			d.Dropped()
			a.Again = true // PlanWait takes up the same one
			return upstream.Dial{}, host.ErrBlocks
		case ctx.Err() != nil:
			d.Dropped()
			return upstream.Dial{}, ctx.Err()
		case errors.Is(err, errSpent): // last is why
			d.Failed(c.Log(), last)
			continue
		case ofClients(err):
			d.Dropped()
		default:
			d.Failed(c.Log(), err)
		}
		last = err
	}
}

// attempts returns what the handler remembers of the connection.
func (h *Handler) attempts(c host.View) *upstream.Attempts {
	a := c.Attempts()
	if a.By != h {
		*a = upstream.Attempts{By: h}
		if h.tryFor > 0 {
			a.Began = time.Now()
		}
	}
	return a
}

// ofClients reports whether an error comes of what clients chose, and proves nothing of an
// upstream.
func ofClients(err error) bool { return errors.Is(err, errClient) || errors.Is(err, names.ErrBusy) }

// find asks where an attempt goes, within the time an attempt may take. If it may
// wait it begins with the pause before the attempt, so that a name that fails at
// once is not asked for without end.
func (h *Handler) find(ctx context.Context, c host.View, t *taken, a *upstream.Attempts, wait bool) (place, error) {
	if !wait {
		return t.dialer.locate(ctx, c, t.target, a, false)
	}
	if t.after > 0 {
		if err := upstream.Pause(ctx, t.after); err != nil {
			return place{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	return t.dialer.locate(ctx, c, t.target, a, true)
}

// fill says in d how to reach p.
func (h *Handler) fill(d *upstream.Dial, c host.View, m *member, p place) {
	d.Network, d.Addr, d.Path, d.More = p.network, p.addr, p.path, p.more
	d.Local = p.local
	d.First = m.dialer.header.of(c.Flow())
	if m.dialer.extends(p) {
		d.Secure = func(ctx context.Context, conn net.Conn) (net.Conn, error) {
			return m.dialer.extend(ctx, c, conn, p)
		}
	}
}

// taken is an upstream that was counted in for an attempt.
type taken struct {
	*member
	trial bool
	after time.Duration
}

// take counts the connection in at the upstream of its next attempt. With
// lb_try_duration 0 it tries each once; otherwise again and again until that time
// has passed.
func (h *Handler) take(c host.View, a *upstream.Attempts, last error) (taken, error) {
	if t := h.same(a); t.member != nil {
		return t, nil
	}
	inTime := h.tryFor > 0 && time.Since(a.Began) < h.tryFor
	var passed passed
	if inTime || h.tryFor == 0 || last == nil {
		var t taken
		if t, passed = h.pick(c, a); t.member != nil {
			return t, nil
		}
	}
	if passed.blank {
		return taken{}, host.ErrBlocks
	}
	if inTime {
		return h.again(c, a)
	}
	if last != nil {
		return taken{}, unreached(last)
	}
	return taken{}, h.none(c, passed.full)
}

// same takes the current upstream once more, if the attempts ask for that.
func (h *Handler) same(a *upstream.Attempts) taken {
	if !a.Again {
		return taken{}
	}
	a.Again = false
	m := h.member(a.At)
	trial, ok := m.up.Acquire(m.limit)
	if !ok {
		return taken{}
	}
	return taken{m, trial, 0}
}

// unreached says why a connection ends whose last attempt failed.
func unreached(last error) error {
	if errors.Is(last, names.ErrBusy) {
		return host.End(host.ByProxy, host.Cap, last)
	}
	if errors.Is(last, errClient) {
		return host.End(host.ByProxy, host.Refused, last)
	}
	return host.Unreached(last)
}

// again begins another round over all upstreams, after a pause; host.ErrBlocks if
// there is none to be tried now.
func (h *Handler) again(c host.View, a *upstream.Attempts) (taken, error) {
	if a.Tried == [4]uint64{} {
		return taken{}, host.ErrBlocks
	}
	a.Tried = [4]uint64{}
	t, _ := h.pick(c, a)
	if t.member == nil {
		return taken{}, host.ErrBlocks
	}
	t.after = h.tryEvery
	return t, nil
}

// passed is why upstreams were passed over that are neither out nor unhealthy.
type passed struct {
	full  bool // they have as many connections as they may
	blank bool // no check has a result yet: it is worth to wait
}

// pick chooses among those that this connection has not tried, a backup only if no
// primary can be had, and counts the connection in. An upstream without the result of a
// check is no choice, and no reason to take a backup, before the connection has waited.
func (h *Handler) pick(c host.View, a *upstream.Attempts) (t taken, p passed) {
	for _, blind := range [...]bool{false, true} {
		for _, tier := range [...][]member{h.primaries, h.backups} {
			if t = h.pickOf(c, a, tier, blind, &p); t.member != nil || p.blank && !a.Blind {
				return t, p
			}
		}
		if !p.blank {
			break
		}
		p.blank = false
	}
	return taken{}, p
}

// pickOf chooses among one tier: those whose checks had a result or, if blind, the others.
func (h *Handler) pickOf(c host.View, a *upstream.Attempts, tier []member, blind bool, p *passed) taken {
	var list [maxUpstreams]uint8
	n := ready(tier, a, blind, &list, p)
	for n > 0 {
		i := h.balance.choose(c.Flow().Remote.Addr(), tier, list[:n])
		m := &tier[list[i]]
		if trial, ok := m.up.Acquire(m.limit); ok {
			h.took(a, m, trial)
			return taken{m, trial, 0}
		}
		copy(list[i:n-1], list[i+1:n])
		n--
	}
	return taken{}
}

// ready lists those of a tier that take a connection and were not tried, and notes those
// that it passes over.
func ready(tier []member, a *upstream.Attempts, blind bool, list *[maxUpstreams]uint8, p *passed) (n int) {
	for i := range tier {
		m := &tier[i]
		if a.Tried[m.number/64]&(1<<(m.number%64)) != 0 {
			continue
		}
		if m.named != nil {
			m.up.Leads(m.named.resolver.number())
		}
		ok, full := m.up.Ready(m.limit)
		blank := m.up.Blank()
		if ok && blank == blind {
			list[n] = uint8(i)
			n++
		}
		p.full = p.full || full
		p.blank = p.blank || ok && blank && !blind
	}
	return n
}

// took notes the choice.
func (h *Handler) took(a *upstream.Attempts, m *member, trial bool) {
	a.Tried[m.number/64] |= 1 << (m.number % 64)
	a.At, a.Addr, a.Addrs, a.Spent = m.number, 0, nil, nil
	if !trial && h.dark.Load() {
		h.dark.Store(false)
	}
}

// none is what a connection gets that found no upstream. The first one is logged.
func (h *Handler) none(c host.View, full bool) error {
	why, err := host.Unavailable, errOut
	if full {
		why, err = host.Cap, errFull
	}
	if h.dark.CompareAndSwap(false, true) && h.mayWarn() {
		c.Log().Warn("no upstream takes connections: they are closed",
			slog.String("upstreams", h.names()), slog.Any("error", err))
	}
	return host.End(host.ByProxy, why, err)
}

// quiet is how long after such a warning there is no other: upstreams that are full
// take a connection whenever one ends.
const quiet = 10 * time.Second

func (h *Handler) mayWarn() bool {
	now, last := int64(time.Since(h.born)), h.warned.Load()
	return (last == 0 || now-last >= int64(quiet)) && h.warned.CompareAndSwap(last, max(now, 1))
}

func (h *Handler) member(number int) *member {
	if number < len(h.primaries) {
		return &h.primaries[number]
	}
	return &h.backups[number-len(h.primaries)]
}

func (h *Handler) names() string {
	var names []string
	for _, tier := range [...][]member{h.primaries, h.backups} {
		for i := range tier {
			names = append(names, tier[i].up.Name)
		}
	}
	return strings.Join(names, " ")
}
