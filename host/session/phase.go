package session

import (
	"errors"
	"io"
	"os"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/route"
)

// phase is a matching phase under way. try is called again whenever the head has grown,
// and after starve for the last time.
type phase = route.Phase

// try returns the route that takes the connection, with its facts recorded. Otherwise
// it returns how many bytes the head must have before the routes are tried again; 0
// means that no route takes the connection. A route with an error is a deny that turns
// the connection away.
func (s *Session) try(p *phase, h *head) (r *route.Route, need int, err error) {
	r, need, err = p.Try(&h.flow, &s.setup.facts)
	if err != nil && r == nil {
		return nil, need, host.End(host.ByProxy, host.Failed, err)
	}
	if need == 0 {
		s.record.Fuel = h.flow.Spent()
	}
	return r, need, err
}

// starve notes that the head will not grow because of why, so that the next try
// decides. With an error the connection ends without another try: nobody waits for an
// answer.
func (s *Session) starve(p *phase, h *head, why error) error {
	if err := s.unanswered(h, why); err != nil {
		return err
	}
	p.Final = why
	s.setup.final = why
	return nil
}

// unanswered returns how a connection ends at once whose head will not grow because of
// err; nil means that the routes are tried a last time.
func (s *Session) unanswered(h *head, err error) error {
	switch {
	case errors.Is(err, host.ErrNoMemory):
		return host.End(host.ByProxy, host.Cap, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, host.ErrFull):
		return nil
	case len(h.flow.Head) == 0 && (s.State() == Matching || !s.setup.heard):
		return host.End(host.ByClient, host.Probe, nil)
	case errors.Is(err, io.EOF):
		return nil
	}
	return host.End(host.ByClient, host.Reset, err)
}

// noRoute returns how a connection ends that no route takes.
func (s *Session) noRoute() error {
	if errors.Is(s.setup.final, os.ErrDeadlineExceeded) {
		return host.End(host.ByClient, host.Timeout, host.ErrNoRoute)
	}
	return host.ErrNoRoute
}
