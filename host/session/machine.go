package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
)

// State is where a session is. Up to Relaying the states have the numbers of the
// phases that logs and counters name.
type State uint8

// The states.
const (
	Accepted   = State(host.InAccept)   // nothing was looked at yet
	Matching   = State(host.InMatching) // the outer routes are being tried
	Handling   = State(host.InHandling) // a goroutine runs the handlers of a route
	Connecting = State(host.InConnect)  // attempts to reach an upstream are made
	Relaying   = State(host.InRelay)    // bytes flow both ways
	Closing    = Relaying + 1           // it is decided how it ends; the driver closes
	Ended      = Relaying + 2           // everything was given back, and the owner was told
	states     = Ended + 1
)

// String returns one word.
func (s State) String() string {
	switch s {
	case Closing:
		return "closing"
	case Ended:
		return "ended"
	}
	return host.Phase(s).String()
}

// Event is what happened to a session.
type Event uint8

// The events.
const (
	Began     Event = iota // the client was accepted
	Received               // N bytes lie in Act.Bytes, or none: Err says why
	Waits                  // nothing is there to be received
	Ready                  // after a Wait: something can be received
	Due                    // the time has come that an Act named
	Looked                 // after a Look: N bytes lie in Act.Bytes, or none
	Connected              // the attempt stands; N bytes of Act.Bytes were sent
	Refused                // the attempt failed with Err
	Returned               // the handlers returned Err, or could not be run because of it
	Relayed                // the relay ended with Result, and both sockets are closed
	Killed                 // somebody called Kill, or the driver itself ends
	Panicked               // a defect: Err
	Closed                 // the sockets are closed
	events
)

// String returns one word.
func (e Event) String() string {
	return [events]string{
		"began", "received", "waits", "ready", "due", "looked", "connected", "refused", "returned", "relayed",
		"killed", "panicked", "closed",
	}[e]
}

// Input is what a driver tells a session.
type Input struct {
	Event  Event        // what happened
	At     time.Time    // when
	N      int          // bytes, as the event says
	Err    error        // as the event says; of Received and Looked what ended the stream
	Result relay.Result // of Relayed
}

// Do is what a driver does next.
type Do uint8

// What a driver can be asked to do.
const (
	Nothing Do = iota // it is over, or somebody else goes on
	Receive           // receive into Bytes once, and tell Received, or Waits where that would wait
	Wait              // until something can be received, and tell Ready; at Until tell Due
	Look              // receive into Bytes once without waiting, and tell Looked
	Dial              // make the attempt and send Bytes; tell Connected or Refused
	Relay             // send what is left in Bytes, then relay; tell Relayed
	Land              // run Handle in a goroutine, and tell Returned unless it gave the session away
	Close             // close all sockets, and tell Closed
)

// String returns one word.
func (d Do) String() string {
	return [...]string{"nothing", "receive", "wait", "look", "dial", "relay", "land", "close"}[d]
}

// Act is what a session answers.
type Act struct {
	Do    Do
	Until time.Time      // Receive, Wait: the deadline; zero: none
	Dial  *upstream.Dial // Dial: valid until the next Step
	Bytes []byte         // Receive, Look: room. Dial: what the upstream gets first. Relay: what of it was not sent
	Relay relay.Options  // Relay: the limits
}

// transition is what the machine does in one state when one thing happens.
type transition func(*Session, *setup, Input) Act

// table is the transition table of the package comment, as it is executed. An input
// without an entry is a defect of the driver.
var table = [events][states]transition{
	Began:     {Accepted: (*Session).begin},
	Received:  {Matching: (*Session).receive},
	Waits:     {Matching: (*Session).wait},
	Ready:     {Matching: (*Session).ready},
	Due:       {Matching: (*Session).due},
	Looked:    {Connecting: (*Session).looked},
	Connected: {Connecting: (*Session).connected},
	Refused:   {Connecting: (*Session).refused},
	Returned:  {Accepted: (*Session).stop, Matching: (*Session).stop, Handling: (*Session).stop, Connecting: (*Session).stop, Relaying: (*Session).stop},
	Relayed:   {Relaying: (*Session).relayed},
	Killed:    {Accepted: (*Session).kill, Matching: (*Session).kill, Handling: (*Session).kill, Connecting: (*Session).kill},
	Panicked:  {Accepted: (*Session).stop, Matching: (*Session).stop, Handling: (*Session).stop, Connecting: (*Session).stop, Relaying: (*Session).stop},
	Closed:    {Closing: (*Session).closed},
}

// Step tells the session what happened and returns what to do. It never waits. One
// goroutine at a time calls it.
func (s *Session) Step(in Input) Act {
	u, state := s.setup, s.State()
	if u == nil {
		if in.Event == Relayed && state == Relaying {
			return s.relayed(nil, in)
		}
		return Act{} // a relay has it, or it has ended
	}
	u.now = in.At
	do := table[in.Event][state]
	switch {
	case state == Ended:
		return Act{}
	case do == nil && state == Closing:
		return Act{Do: Close}
	case do == nil:
		return s.defect(u, in.Event)
	case state < Closing && s.killed.Load() != nil:
		return s.fail(u, in.Err)
	}
	return do(s, u, in)
}

// defect ends a session whose driver told it what cannot have happened.
func (s *Session) defect(u *setup, e Event) Act {
	return s.fail(u, host.End(host.ByProxy, host.Panicked, fmt.Errorf("%v while %v: a defect", e, s.State())))
}

// begin begins the outer matching phase. Routes that need no bytes are tried before
// any is received.
func (s *Session) begin(u *setup, _ Input) Act {
	if u.routes == nil {
		s.enter(u, Handling)
		return Act{Do: Land}
	}
	s.enter(u, Matching)
	timeout, own := u.routes.Limits()
	u.await(u.now, timeout, own)
	u.phase = u.routes.Begin(&u.flow, s)
	return s.match(u)
}

// match tries the routes on what is there.
func (s *Session) match(u *setup) Act {
	r, need, err := s.try(&u.phase, &u.head)
	switch {
	case err != nil:
		return s.fail(u, err)
	case need == 0:
		return s.chosen(u, r)
	}
	u.need = need
	return s.more(u)
}

// more asks for what the head lacks.
func (s *Session) more(u *setup) Act {
	b, err := u.room(s.env.Heads, u.need)
	if err != nil {
		return s.starved(u, err)
	}
	return Act{Do: Receive, Until: u.deadline, Bytes: b}
}

// receive takes what was received, until the head is as long as the routes need.
func (s *Session) receive(u *setup, in Input) Act {
	if err := u.received(in.N, in.Err); err != nil {
		return s.starved(u, err)
	}
	if len(u.flow.Head) < u.need {
		return s.more(u)
	}
	return s.match(u)
}

// ready goes on with a client that was waited for.
func (s *Session) ready(u *setup, _ Input) Act { return s.more(u) }

// wait keeps no memory for a client that has said nothing.
func (s *Session) wait(u *setup, _ Input) Act {
	u.idle(s.env.Heads)
	return Act{Do: Wait, Until: u.deadline}
}

// due is the end of waiting.
func (s *Session) due(u *setup, _ Input) Act { return s.starved(u, os.ErrDeadlineExceeded) }

// starved decides on the head that will not grow.
func (s *Session) starved(u *setup, why error) Act {
	if err := s.starve(&u.phase, &u.head, why); err != nil {
		return s.fail(u, err)
	}
	return s.match(u)
}

// chosen gives the session to its route; nil: none took it.
func (s *Session) chosen(u *setup, r *graph.Route) Act {
	switch {
	case r == nil:
		return s.fail(u, s.noRoute())
	case r.Planner() == nil:
		s.took(u, r)
		s.enter(u, Handling)
		return Act{Do: Land}
	}
	s.took(u, r)
	u.planner = r.Planner()
	s.enter(u, Connecting)
	if len(u.flow.Head) > 0 {
		return s.attempt(u)
	}
	b, err := u.room(s.env.Heads, 1)
	if err != nil {
		return s.attempt(u)
	}
	return Act{Do: Look, Bytes: b}
}

// took notes the outer route.
func (s *Session) took(u *setup, r *graph.Route) {
	if u.route == nil {
		u.route = r
		s.route.Store(r.Title())
	}
}

// looked takes what a client has sent that was routed before its first byte: the
// upstream gets it with the handshake, and not a round later. An end or an error is
// the relay's to pass on.
func (s *Session) looked(u *setup, in Input) Act {
	if u.course.UnderWay() != nil {
		return s.defect(u, in.Event)
	}
	if in.N > 0 {
		_ = u.received(in.N, nil)
	}
	u.idle(s.env.Heads)
	return s.attempt(u)
}

// attempt plans the next attempt. One that has to wait for something lands.
func (s *Session) attempt(u *setup) Act {
	d, err := u.planner.Plan(s, u.course.Last)
	switch {
	case errors.Is(err, host.ErrBlocks):
		return Act{Do: Land}
	case err != nil:
		return s.fail(u, err)
	case d.After > 0 || d.Secure != nil:
		u.course.Hold(&d)
		return Act{Do: Land}
	}
	s.header.Store(int32(len(d.First)))
	dial := u.course.Begin(&d)
	return Act{Do: Dial, Dial: dial, Bytes: u.first(dial)}
}

// first returns what the upstream gets first: the header of an attempt, and the head.
func (u *setup) first(d *upstream.Dial) []byte {
	if len(d.First) == 0 {
		return u.flow.Head
	}
	return append(d.First[:len(d.First):len(d.First)], u.flow.Head...)
}

// connected gives the session to the relay.
func (s *Session) connected(u *setup, in Input) Act {
	if u.course.UnderWay() == nil {
		return s.defect(u, in.Event)
	}
	d := u.course.Stood(s.env.Log)
	first, limits := u.first(d), d.Relay
	s.stood(d, u.now)
	rest := bytes.Clone(first[min(in.N, len(first)):]) // the head is given back
	s.give(u)
	s.env.Heads.retire(u)
	return Act{Do: Relay, Bytes: rest, Relay: limits}
}

// refused plans the next attempt.
func (s *Session) refused(u *setup, in Input) Act {
	if u.course.UnderWay() == nil {
		return s.defect(u, in.Event)
	}
	u.course.Failed(s.env.Log, in.Err)
	return s.attempt(u)
}

// kill ends a session because its driver ends, or because of Kill.
func (s *Session) kill(u *setup, _ Input) Act {
	return s.fail(u, host.End(host.ByOperator, host.Drained, nil))
}

// stop ends a session whose handlers returned.
func (s *Session) stop(u *setup, in Input) Act { return s.fail(u, in.Err) }

// closed gives everything back.
func (s *Session) closed(u *setup, _ Input) Act {
	outcome := u.outcome
	u.release(s.env.Heads)
	s.finish(outcome)
	s.setup = nil
	if !u.landed {
		s.env.Heads.retire(u)
	}
	return Act{}
}

// relayed ends a session that a relay had.
func (s *Session) relayed(_ *setup, in Input) Act {
	s.finish(s.relayOutcome(in.Result, in.At))
	return Act{}
}
