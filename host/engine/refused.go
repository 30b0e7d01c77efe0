package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
)

// What the log says of refused connections in one interval: at most twice refusedCrowds
// lines, one line for each reason and one for all the rest, however many clients come.
const (
	refusedInterval = 10 * time.Second
	refusedCrowds   = 32
)

// refusedLog logs connections that are turned away before they are sessions, for
// Engine.record alone. The first one of a crowd is told at once, with its address. The
// others of an interval are counted, and told at its end.
type refusedLog struct {
	log   *slog.Logger
	crowd func(netip.Addr) netip.Prefix // the crowd of an address

	mu     sync.Mutex
	crowds map[refusedBy]*refusedCrowd // of the interval; at most refusedCrowds
	told   map[string]bool             // the reasons that the interval has a line of
	rest   int                         // connections of other crowds without a line
	timer  *time.Timer                 // ends the interval; nil: none has begun
	closed bool
}

// refusedBy is a crowd and why it is refused.
type refusedBy struct {
	crowd netip.Prefix
	why   string
}

// refusedCrowd counts the refused connections of a crowd that have no line yet.
type refusedCrowd struct {
	listener string
	more     int
}

// refused logs that a connection of from is turned away because of why, the option that an
// operator would change. It never waits, and may be called from any goroutine.
func (l *refusedLog) refused(listener string, from netip.AddrPort, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	by := refusedBy{l.crowd(from.Addr()), why}
	if c := l.crowds[by]; c != nil {
		c.more++
		return
	}
	l.begin()
	switch {
	case len(l.crowds) < refusedCrowds:
		l.crowds[by] = &refusedCrowd{listener: listener}
	case l.told[why]:
		l.rest++
		return
	}
	l.told[why] = true
	l.write(listener, why, 1, from.String(), from.IsValid())
}

// begin begins an interval, unless there is one. l.mu is held.
func (l *refusedLog) begin() {
	if l.timer == nil {
		l.crowds, l.told = map[refusedBy]*refusedCrowd{}, map[string]bool{}
		l.timer = time.AfterFunc(refusedInterval, func() { l.end(false) })
	}
}

// close ends the interval for good.
func (l *refusedLog) close() { l.end(true) }

// end ends an interval and tells what was counted in it.
func (l *refusedLog) end(closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = l.closed || closed
	if l.timer == nil {
		return
	}
	l.timer.Stop()
	l.timer = nil
	for by, c := range l.crowds {
		if c.more > 0 {
			l.write(c.listener, by.why, c.more, text(by.crowd), by.crowd.IsValid())
		}
	}
	if l.rest > 0 {
		l.log.LogAttrs(context.Background(), slog.LevelInfo, "connections of more crowds refused", slog.Int(keyRefused, l.rest))
	}
	l.crowds, l.told, l.rest = nil, nil, 0
}

// text returns the network of a crowd, or the address that it consists of.
func text(crowd netip.Prefix) string {
	if crowd.IsSingleIP() {
		return crowd.Addr().String()
	}
	return crowd.String()
}

// write writes a line of n connections. A client of a Unix socket has no address.
func (l *refusedLog) write(listener, why string, n int, client string, known bool) {
	attrs := []slog.Attr{
		slog.String(keyListener, listener),
		slog.String(keyCode, host.Code{By: host.ByProxy, In: host.InAccept, Why: host.Cap}.String()),
		slog.String(keyCap, why),
		slog.Int(keyRefused, n),
	}
	if known {
		attrs = append(attrs, slog.String(keyClient, client))
	}
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "connections refused", attrs...)
}
