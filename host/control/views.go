package control

import (
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/upstream"
)

// What follows turns what the program says of itself into what goes over the
// socket: names and units there are a promise, those inside are not.

func (s *Server) status() Status {
	about, stats := s.About(), s.Engine.Stats()
	v := Status{
		Version: about.Version, PID: os.Getpid(), Config: about.Config,
		State: stats.State.String(), Started: stats.Started,
		Generations: make([]Generation, len(stats.Generations)), Listeners: make([]Listener, len(stats.Listeners)),
		Reloads: about.Reloads, FailedReloads: about.FailedReloads, LastError: about.LastError,
		Connections: stats.Active, Matching: stats.Phases[host.InMatching], Limit: stats.Budget,
		Warnings: Faults(about.Warnings), Plugins: s.Plugins().Plugins,
	}
	for i, g := range stats.Generations {
		v.Generations[i] = Generation{g.Number, g.Loaded, g.Conns}
		v.Generation = g.Number
	}
	for i, l := range stats.Listeners {
		v.Listeners[i] = Listener{l.Name, l.Addr, l.Accepted, l.Refused, l.Active}
	}
	return v
}

func (s *Server) connections() []Connection {
	conns := s.Engine.Conns()
	views := make([]Connection, len(conns))
	for i, c := range conns {
		views[i] = Connection{
			ID: c.ID, Listener: c.Listener, Remote: address(c.Client), Phase: c.Phase.String(),
			Route: c.Route, Upstream: c.Upstream, Accepted: c.Accepted, BytesUp: c.Up, BytesDown: c.Down,
			Generation: c.Generation,
		}
	}
	return views
}

func (s *Server) upstreams() []Upstream {
	states := s.Upstreams()
	views := make([]Upstream, len(states))
	for i, u := range states {
		views[i] = viewUpstream(u)
	}
	return views
}

func viewUpstream(u upstream.State) Upstream {
	return Upstream{
		Name: u.Name, Health: u.Health.String(), Since: u.Since, Connections: u.Conns, Fails: u.Fails,
		Connects: u.Connects, Failures: u.Failures, BytesUp: u.BytesUp, BytesDown: u.BytesDown,
	}
}

// decisions returns the last decisions, with details if they are asked for.
func decisions(e Engine, last int, details bool) []Decision {
	all := e.Decisions()
	all = all[max(0, len(all)-last):]
	views := make([]Decision, len(all))
	for i := range all {
		views[i] = decision(&all[i])
		if details {
			detail(e, &all[i], &views[i])
		}
	}
	return views
}

func decision(d *engine.Decision) Decision {
	v := Decision{
		Time: d.Time, ID: d.ID, Listener: d.Listener, Remote: address(d.Client), Route: d.Route,
		Bytes: d.Bytes, Seconds: d.Took.Seconds(), Generation: d.Generation, Upstream: d.Upstream, Facts: d.Facts,
	}
	if d.Final != nil {
		v.Final = final(d.Final)
	}
	if d.Ended {
		v.Code = d.Code.String()
	}
	return v
}

// detail adds what every matcher said, and why if that can be told.
func detail(e Engine, d *engine.Decision, v *Decision) {
	v.More, v.Head = d.More, hex.EncodeToString(d.Head)
	for i := range d.Asked {
		v.Matchers = append(v.Matchers, Asked{d.Asked[i].Matcher, d.Asked[i].Answer.String()})
	}
	why, err := e.Explain(d)
	if v.Why = why; err != nil {
		v.NoWhy = err.Error()
	}
}

// final says in a word or two why no more bytes were waited for.
func final(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "matching_timeout"
	case errors.Is(err, io.EOF):
		return "end of stream"
	case errors.Is(err, host.ErrFull):
		return "max_head"
	}
	return err.Error()
}

// address prints an address, "" if there is none.
func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
