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
// From each of them a session can come to Closing, which says how it ends; when the
// driver has closed the sockets it has Ended. A relay closes them by itself.
//
// # Transitions
//
// What each event does in each state. The code executes this table, and a test
// compares the two. A dot is what cannot happen: such an input is a defect of the
// driver and ends the session. What comes after the end changes nothing.
//
//	          | Accepted | Matching | Handling | Connecting | Relaying | Closing
//	began     | begin    | .        | .        | .          | .        | .
//	received  | .        | receive  | .        | .          | .        | .
//	waits     | .        | wait     | .        | .          | .        | .
//	ready     | .        | ready    | .        | .          | .        | .
//	due       | .        | due      | .        | .          | .        | .
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
// The buffer of its head, the memo of its matching phase, a reference to its graph,
// a place among the connections of its upstream. All of them go back exactly once:
// the memo at the end of the phase; head and graph when a relay takes over; what is
// left at the end. From then on only the [Owner] and the upstream's counters know of
// it. A relayed session refers to no graph, so that a long-lived connection keeps no
// health check and no compiled module alive.
package session
