package session

import (
	"bytes"
	"errors"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/upstream"
)

// connect begins the attempts that the planner at the end of the way plans.
func (s *Session) connect(u *setup) Act {
	s.enter(u, Connecting)
	if len(u.flow.Head) > 0 {
		return s.attempt(u)
	}
	b, err := u.room(s, 1)
	if err != nil {
		return s.attempt(u)
	}
	return Act{Do: Look, Bytes: b}
}

// looked adds to an empty head what the client has sent by the time its route is
// chosen: the upstream gets these bytes with the handshake, and not a round trip
// later. The relay meets an end or an error again, and passes it on.
func (s *Session) looked(u *setup, in Input) Act {
	if u.course.UnderWay() != nil {
		return s.defect(u, in.Event)
	}
	_ = u.received(in.N, nil)
	u.idle(s)
	return s.attempt(u)
}

// attempt plans the next attempt. A session whose attempt has to wait lands.
func (s *Session) attempt(u *setup) Act {
	d, err := u.planner.Plan(s, u.course.Last)
	switch {
	case errors.Is(err, host.ErrBlocks):
		return Act{Do: Land}
	case err != nil:
		return s.fail(u, err)
	case d.After > 0 || d.Secure != nil || s.home(&u.flow, &d): // Check follows the last
		u.course.Hold(&d)
		return Act{Do: Land}
	}
	s.header.Store(int32(len(d.First)))
	dial := u.course.Begin(&d)
	return Act{Do: Dial, Dial: dial, Bytes: u.first(dial)}
}

// first returns what the upstream gets first: the header of the attempt, then the head.
func (u *setup) first(d *upstream.Dial) []byte {
	if len(d.First) == 0 {
		return u.flow.Head
	}
	return append(d.First[:len(d.First):len(d.First)], u.flow.Head...)
}

// connected gives the session to a relay: the upstream stands.
func (s *Session) connected(u *setup, in Input) Act {
	if u.course.UnderWay() == nil {
		return s.defect(u, in.Event)
	}
	d := u.course.Stood(s.env.Log)
	first, limits := u.first(d), d.Relay
	s.stood(d, u.now)
	rest := bytes.Clone(first[min(in.N, len(first)):]) // a copy: the head is given back
	s.give(u)
	s.env.Heads.retire(u)
	return Act{Do: Relay, Bytes: rest, Relay: limits}
}

// refused plans the next attempt after one that failed.
func (s *Session) refused(u *setup, in Input) Act {
	if u.course.UnderWay() == nil {
		return s.defect(u, in.Event)
	}
	u.course.Failed(s.env.Log, in.Err)
	return s.attempt(u)
}
