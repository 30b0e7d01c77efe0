// Package session is one connection from accept to its end, as a state machine
// without input or output. A driver tells a [Session] what happened to its sockets
// ([Input]), and does what the session answers ([Act]): the machine never sees a
// socket or a clock, and never waits.
//
//	act := s.Step(session.Input{Event: session.Began, At: now})
//	for {
//		switch act.Do {
//		case session.Receive:
//			n, err := sock.Read(act.Bytes)
//			act = s.Step(session.Input{Event: session.Received, At: now, N: n, Err: err})
//		case session.Close:
//			…
//
// There are two drivers: loop.Driver in an event loop, and [Session.Serve] in a
// goroutine. The handlers of a route that need a goroutine see the session as a
// [host.Conn]; planners, which need none, as a [host.View].
//
// # States
//
//	                   a route without a planner
//	Accepted ─▶ Matching ─────────────▶ Handling
//	               │ a route with one      │  Connect
//	               └────────▶ Connecting ◀─┘
//	                              │ an attempt stands
//	                              ▼
//	                          Relaying
//
// A handler that carries the bytes itself, or relays to a peer it already has, brings
// the session from Handling to Relaying without an attempt.
//
// Every state can go to Closing: how the session ends is decided, and the driver closes
// the sockets. Then the session has Ended. A relay that took the session over closes
// both sockets before it reports its end: such a session goes from Relaying to Ended.
//
// # Transitions
//
// Each row is an event, each column a state, and each entry the method that the event
// calls. The code executes this table, and a test compares the two. A dot stands for
// an event that cannot happen: such an input is a defect of the driver and ends the
// session. Inputs after the end change nothing.
//
//	          | Accepted | Matching | Handling | Connecting | Relaying | Closing
//	began     | begin    | .        | .        | .          | .        | .
//	received  | .        | receive  | receive  | .          | .        | .
//	waits     | .        | wait     | wait     | .          | .        | .
//	ready     | .        | ready    | ready    | .          | .        | .
//	due       | .        | due      | due      | .          | .        | .
//	looked    | .        | .        | .        | looked     | .        | .
//	connected | .        | .        | .        | connected  | .        | .
//	refused   | .        | .        | .        | refused    | .        | .
//	returned  | stop     | stop     | stop     | stop       | stop     | .
//	relayed   | .        | .        | .        | .          | relayed  | .
//	killed    | kill     | kill     | kill     | kill       | .        | .
//	panicked  | stop     | stop     | stop     | stop       | stop     | .
//	closed    | .        | .        | .        | .          | .        | closed
//
// # What a session holds
//
// A session holds the buffer of its head, the memo of its matching phase, a reference
// to its graph, and a count of its upstream. Each is given back exactly once: the memo
// at the end of the matching phase, head and graph when a relay takes over or the
// session ends, the upstream's count at the end. A relayed session refers to no graph,
// so that a long-lived connection keeps no health check and no compiled module alive.
package session
