package session

import (
	"fmt"
	"net/netip"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// chosen goes on with the route that takes the session; nil: no route of the phase does.
func (s *Session) chosen(u *setup, r *route.Route) Act {
	if r != nil {
		s.took(u, r)
		u.way.Take(r)
	}
	return s.proceed(u)
}

// proceed goes on with what comes next in the chains of the routes that took the session.
func (s *Session) proceed(u *setup) Act {
	next := u.way.Next()
	switch {
	case next.Step != nil:
		s.enter(u, Handling)
		u.step, u.stepping = next.Step, stepping{}
		return s.take(u, nil)
	case next.Plan != nil:
		u.planner = next.Plan
		return s.connect(u)
	case next.Routes != nil:
		s.enter(u, Handling)
		return s.phased(u, next.Routes)
	case next.Handler != nil:
		s.enter(u, Handling)
		return Act{Do: Land}
	}
	return s.fail(u, s.noRoute())
}

// stepping is a step under way.
type stepping struct {
	began    bool      // the step has waited
	deadline time.Time // of the matching phase, which goes on after a step that took nothing
}

// take takes the step of a handler with the head as it is, and goes on when the step is
// done. final is why the head will not grow; nil: it may.
func (s *Session) take(u *setup, final error) Act {
	wait, err := u.step.Step(editor{s}, final)
	switch {
	case err != nil:
		return s.fail(u, err)
	case wait.Bytes <= len(u.flow.Head):
		if u.stepping.began {
			u.deadline = u.stepping.deadline
		}
		u.step = nil
		u.way.Done()
		return s.proceed(u)
	case final != nil:
		return s.fail(u, unfinished(final))
	}
	if !u.stepping.began {
		u.stepping = stepping{true, u.deadline}
		u.deadline = u.now.Add(wait.Within)
	}
	u.need = wait.Bytes
	return s.more(u)
}

// unfinished returns how a session ends in which a step asks for bytes that will not come,
// because of final.
func unfinished(final error) error {
	return host.End(host.ByProxy, host.Failed, fmt.Errorf("taking a step: bytes are asked for that will not come: %w", final))
}

// editor is a session in an event loop as a [host.Stepper] sees it.
type editor struct{ *Session }

var _ host.Editor = editor{}

// Discard implements [host.Editor].
func (e editor) Discard(n int) { e.setup.discard(e.Session, n) }

// Put implements [host.Editor].
func (e editor) Put(of, key, value string) bool { return e.Facts().PutString(of, key, value) }

// Readdress implements [host.Editor].
func (e editor) Readdress(remote, local netip.AddrPort) {
	e.readdress(&e.setup.flow, remote, local)
}

// readdress gives the flow f of the session other addresses. The addresses of the socket
// are kept for what is not about the client.
func (s *Session) readdress(f *sdk.Flow, remote, local netip.AddrPort) {
	if !f.Proxied {
		s.setup.peer, s.setup.arrival = f.Remote, f.Local
		if f.Remote.IsValid() {
			s.Facts().PutString("conn", "peer_addr", f.Remote.String())
		}
	}
	remote, local = host.Plain(remote), host.Plain(local)
	f.Remote, f.Local, f.Proxied = remote, local, true
	s.proxied.Store(&remote)
	s.owner.Readdressed()
}

// Ends returns the addresses of the client's socket: where it came from, and where it
// arrived. The zero value is what Unix sockets have.
func (s *Session) Ends() (remote, local netip.AddrPort) {
	f := s.Flow()
	if f.Proxied && s.setup != nil {
		return s.setup.peer, s.setup.arrival
	}
	return f.Remote, f.Local
}
