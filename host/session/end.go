package session

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
)

// enter brings the session into another state. The owner is told of the end of the
// outer matching phase.
func (s *Session) enter(u *setup, to State) {
	from := s.State()
	s.state.Store(uint32(to))
	if from != Matching {
		return
	}
	if u.route != nil {
		s.record.Matched = max(u.now.Sub(s.accepted), 1)
	}
	s.owner.Decided()
}

// stood notes that the upstream of the attempt d stands.
func (s *Session) stood(d *upstream.Dial, now time.Time) {
	s.record.Connected = max(now.Sub(s.accepted), 1)
	s.record.Tries = s.setup.course.Tries
	if d.Up == nil {
		return
	}
	s.up.Store(d.Up)
	d.Up.Keep(s)
}

// give brings the session to Relaying: graph and head are given back, and the facts are
// kept for the log.
func (s *Session) give(u *setup) {
	u.releaseAll(s)
	s.enter(u, Relaying)
	s.given, s.silent = true, !u.heard
	if !s.env.Terse {
		u.facts.Add(&u.trail.Seen)
		if u.facts.Len() > 0 {
			s.facts = u.facts.Compact()
		}
	}
	s.setup = nil
	u.leaveGraph()
}

// releaseAll gives back all buffers of heads, those of inner conns as well.
func (u *setup) releaseAll(s *Session) {
	u.release(s)
	for _, h := range u.wrapped {
		h.release(s)
	}
	u.wrapped = nil
}

// leaveGraph gives the reference to the graph back.
func (u *setup) leaveGraph() {
	if u.graph != nil {
		u.graph.Release()
		u.graph = nil
	}
}

// fail decides how the session ends because of err, the handlers' or the machine's own,
// and has the driver close the sockets.
func (s *Session) fail(u *setup, err error) Act {
	u.course.Drop()
	u.phase.End(&u.flow)
	s.record.Tries = u.course.Tries
	u.outcome = s.outcome(err, u.now)
	u.outcome.Silent = left(u.outcome.Code) && !u.heard
	s.enter(u, Closing)
	var end *host.EndError
	reset := errors.As(err, &end) && end.By == host.ByProxy && end.Why == host.Reset
	return Act{Do: Close, Reset: reset}
}

// finish tells the upstream and the owner how the session ended. The sockets are
// closed.
func (s *Session) finish(o host.Outcome) {
	s.state.Store(uint32(Ended))
	if s.setup != nil {
		s.setup.leaveGraph()
		s.setup.facts.Add(&s.setup.trail.Seen)
	}
	if up := s.up.Load(); up != nil {
		up.Forget(s, o.Up, o.Down)
	}
	s.owner.Ended(o)
}

// outcome translates the error that ends a session; nil is an orderly end.
func (s *Session) outcome(err error, at time.Time) host.Outcome {
	o := host.Outcome{Err: err, Ended: at, Code: host.Code{In: host.Phase(s.State())}}
	var end *host.EndError
	switch killed := s.killed.Load(); {
	case killed != nil:
		o.Code.By, o.Code.Why = killed.By, killed.Why
	case err == nil:
		o.Code.Why = host.Closed
	case errors.As(err, &end):
		o.Code.By, o.Code.Why = end.By, end.Why
		if err == error(end) && end.Err == nil {
			o.Err = nil // the code has no cause to add
		}
	case errors.Is(err, host.ErrNoRoute):
		o.Code.Why = host.NoRoute
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		o.Code.By, o.Code.Why = host.ByClient, host.Timeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		o.Code.By, o.Code.Why = host.ByClient, host.Reset
	default:
		o.Code.Why = host.Failed
	}
	return o
}

// left reports whether a code is that of a client that went away.
func left(c host.Code) bool {
	return c.By == host.ByClient && (c.Why == host.Closed || c.Why == host.Reset || c.Why == host.Probe)
}

// relayOutcome translates how the relay of a session ended.
func (s *Session) relayOutcome(r relay.Result, at time.Time) host.Outcome {
	o := host.Outcome{Err: r.Err, Up: s.fromClient(r.Up), Down: r.Down, Ended: at, Code: host.Code{In: host.InRelay}}
	switch r.By {
	case relay.Down:
		o.Code.By = host.ByClient
	case relay.Up:
		o.Code.By = host.ByUpstream
	}
	// Kill may have closed a socket while the relay was just beginning.
	if killed := s.killed.Load(); killed != nil && r.Reason != relay.Finished {
		o.Code.By, o.Code.Why = killed.By, killed.Why
		return o
	}
	o.Code.Why = relayWhy(r.Reason)
	o.Silent = left(o.Code) && s.silent && o.Up == 0
	return o
}

// relayWhy translates why a relay ended.
func relayWhy(r relay.Reason) host.Why {
	switch r {
	case relay.Finished:
		return host.Closed
	case relay.Reset:
		return host.Reset
	case relay.Idle:
		return host.Idle
	case relay.HalfClosed:
		return host.HalfClosed
	case relay.Expired:
		return host.Lifetime
	case relay.Drained:
		return host.Drained
	case relay.Unhealthy:
		return host.Unhealthy
	case relay.Killed:
		return host.Killed
	}
	return host.Failed
}

// relayReason translates why a session is killed, for its relay.
func relayReason(w host.Why) relay.Reason {
	switch w {
	case host.Drained:
		return relay.Drained
	case host.Unhealthy:
		return relay.Unhealthy
	}
	return relay.Killed
}
