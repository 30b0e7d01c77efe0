package session

import (
	"fmt"
	"os"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/upstream"
)

// State is where a session is. Up to Relaying the states have the numbers of the
// phases that logs and counters name.
type State uint8

// The states.
const (
	Accepted   = State(host.InAccept)   // the session has not begun
	Matching   = State(host.InMatching) // the outer routes are being tried
	Handling   = State(host.InHandling) // a goroutine runs the handlers of a route
	Connecting = State(host.InConnect)  // attempts to reach an upstream are made
	Relaying   = State(host.InRelay)    // bytes flow both ways
	Closing    = Relaying + 1           // the outcome is decided; the driver closes the sockets
	Ended      = Relaying + 2           // everything is given back, and the owner was told
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
	Began     Event = iota // the driver has the client's socket
	Received               // N bytes lie in Act.Bytes; Err is what came after them, or instead
	Waits                  // a Receive would have to wait
	Ready                  // after a Wait: something can be received
	Due                    // the time Act.Until has come
	Looked                 // after a Look: N bytes lie in Act.Bytes, or none
	Connected              // the upstream stands; N bytes of Act.Bytes were sent
	Refused                // the attempt failed with Err
	Returned               // the handlers returned Err, or could not be run because of it
	Relayed                // the relay ended with Result, and both sockets are closed
	Killed                 // Kill was called, or the driver itself ends
	Panicked               // code that the driver called panicked; Err from Defect
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
	At     time.Time    // when; the zero time where the event needs none
	N      int          // bytes received or sent: Received, Looked, Connected
	Err    error        // Received: the end of the stream or an error; otherwise see the event
	Result relay.Result // Relayed: how the relay ended
}

// Do is what a driver does next.
type Do uint8

// What a driver can be asked to do.
const (
	Nothing Do = iota // stop: the session has ended, or another driver or a relay has it
	Receive           // receive into Bytes once; tell Received, or Waits instead of waiting
	Wait              // wait until bytes can be received and tell Ready; at Until tell Due
	Look              // receive into Bytes once without waiting; tell Looked
	Dial              // make the attempt Act.Dial and send Bytes; tell Connected or Refused
	Relay             // send Bytes to the upstream, then relay; tell Relayed
	Land              // run the handlers in a goroutine; tell Returned unless a relay has the session
	Close             // close all sockets, and tell Closed
)

// String returns one word.
func (d Do) String() string {
	return [...]string{"nothing", "receive", "wait", "look", "dial", "relay", "land", "close"}[d]
}

// Act is what a session answers.
type Act struct {
	Do    Do
	Until time.Time      // Receive, Wait: the deadline; the zero time: none
	Dial  *upstream.Dial // Dial: valid until the next Step
	Bytes []byte         // Receive, Look: room. Dial: the upstream's first bytes. Relay: the rest of them
	Relay relay.Options  // Relay: the limits
	Reset bool           // Close: by a reset, where the network has one
}

// transition is what the machine does with one event in one state.
type transition func(*Session, *setup, Input) Act

// table is the transition table of the package comment, as it is executed. An input
// without an entry is a defect of the driver.
var table = [events][states]transition{
	Began:     {Accepted: (*Session).begin},
	Received:  {Matching: (*Session).receive, Handling: (*Session).receive},
	Waits:     {Matching: (*Session).wait, Handling: (*Session).wait},
	Ready:     {Matching: (*Session).ready, Handling: (*Session).ready},
	Due:       {Matching: (*Session).due, Handling: (*Session).due},
	Looked:    {Connecting: (*Session).looked},
	Connected: {Connecting: (*Session).connected},
	Refused:   {Connecting: (*Session).refused},
	Returned:  {Accepted: (*Session).stop, Matching: (*Session).stop, Handling: (*Session).stop, Connecting: (*Session).stop, Relaying: (*Session).stop},
	Relayed:   {Relaying: (*Session).relayed},
	Killed:    {Accepted: (*Session).kill, Matching: (*Session).kill, Handling: (*Session).kill, Connecting: (*Session).kill},
	Panicked:  {Accepted: (*Session).stop, Matching: (*Session).stop, Handling: (*Session).stop, Connecting: (*Session).stop, Relaying: (*Session).stop},
	Closed:    {Closing: (*Session).closed},
}

// Step tells the session what happened and returns what the driver does next. It never
// waits. One goroutine at a time calls it.
func (s *Session) Step(in Input) Act {
	u, state := s.setup, s.State()
	if u == nil {
		if in.Event == Relayed && state == Relaying {
			return s.relayed(nil, in)
		}
		return Act{} // a relay has the session, or the session has ended
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
	case in.Event != Closed && s.killed.Load() != nil:
		return s.fail(u, in.Err)
	}
	return do(s, u, in)
}

// defect ends a session whose driver told an event that cannot happen in this state.
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
	return s.phased(u, u.routes)
}

// phased begins a matching phase: the outer one, or an inner one.
func (s *Session) phased(u *setup, routes *route.Routes) Act {
	timeout, own := routes.Limits()
	u.await(u.now, timeout, own)
	u.phase = routes.Begin(s)
	u.phase.Trail = &u.trail
	return s.match(u)
}

// match tries the routes on the head as it is.
func (s *Session) match(u *setup) Act {
	r, need, err := s.try(&u.phase, &u.head)
	switch {
	case r != nil && err != nil:
		return s.deny(u, r, err)
	case err != nil:
		return s.fail(u, err)
	case need == 0:
		return s.chosen(u, r)
	}
	u.need = need
	return s.more(u)
}

// more has the driver receive more of the head.
func (s *Session) more(u *setup) Act {
	b, err := u.room(s, u.need)
	if err != nil {
		return s.starved(u, err)
	}
	return Act{Do: Receive, Until: u.deadline, Bytes: b}
}

// receive adds what was received to the head, and tries the routes once the head is as
// long as they need.
func (s *Session) receive(u *setup, in Input) Act {
	if err := u.received(in.N, in.Err); err != nil {
		return s.starved(u, err)
	}
	switch {
	case len(u.flow.Head) < u.need:
		return s.more(u)
	case u.step != nil:
		return s.take(u, nil)
	}
	return s.match(u)
}

// ready receives from a client that has sent something after a Wait.
func (s *Session) ready(u *setup, _ Input) Act { return s.more(u) }

// wait gives back an empty head while the client is silent.
func (s *Session) wait(u *setup, _ Input) Act {
	u.idle(s)
	return Act{Do: Wait, Until: u.deadline}
}

// due ends the waiting for more bytes: the deadline has come.
func (s *Session) due(u *setup, _ Input) Act { return s.starved(u, os.ErrDeadlineExceeded) }

// starved has the routes, or the handler whose step it is, decide on the head as it is,
// which will not grow because of why.
func (s *Session) starved(u *setup, why error) Act {
	if u.step != nil {
		if err := s.unanswered(&u.head, why); err != nil {
			return s.fail(u, err)
		}
		return s.take(u, why)
	}
	if err := s.starve(&u.phase, &u.head, why); err != nil {
		return s.fail(u, err)
	}
	return s.match(u)
}

// deny ends a session that a deny turns away, because of err.
func (s *Session) deny(u *setup, r *route.Route, err error) Act {
	s.took(u, r)
	act := s.fail(u, err)
	act.Reset = r.Resets()
	return act
}

// took records the outer route.
func (s *Session) took(u *setup, r *route.Route) {
	if u.route == nil {
		u.route = r
		s.route.Store(r.Title())
	}
}

// kill ends a session because its driver ends. Step sees to those that Kill was called
// for.
func (s *Session) kill(u *setup, _ Input) Act {
	return s.fail(u, host.End(host.ByOperator, host.Drained, nil))
}

// stop ends a session whose handlers returned.
func (s *Session) stop(u *setup, in Input) Act { return s.fail(u, in.Err) }

// closed gives back everything the session holds, and ends it.
func (s *Session) closed(u *setup, _ Input) Act {
	outcome := u.outcome
	u.releaseAll(s)
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
