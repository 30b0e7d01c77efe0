// Package engine runs a graph: it opens the sockets, accepts connections, hands
// each to its server, and keeps doing so while graphs come and go. It counts, logs
// and bounds what clients can use up.
//
//	e := engine.New(engine.Options{Log: log})
//	if err := e.Load(ctx, g); err != nil {
//		return err // sdk.Errors: which listeners, where they stand, what to do
//	}
//	group.Add(func() error { return e.Run(ctx) }, func(error) { cancel() })
//
// and, for a new configuration, e.Load(ctx, next).
//
// # Data flow
//
//	             Load(g)                          Load(g')
//	                │ opens new sockets, starts      │
//	                ▼ actors, then swaps             ▼
//	socket ──▶ atomic pointer ──▶ target{g, server, caps}      … ──▶ target{g', …}
//	   │ accept                        │ reference by Retain, or look again
//	   ▼                               ▼
//	caps ─no─▶ close, count     conn{id, post} ──▶ table
//	   └─yes──────────────────────▲    │
//	                                   ▼ Server.Choose, or Serve in a goroutine
//	          matching ──▶ handling ──▶ connect ──▶ relay ──▶ (goroutine and
//	             │ crowded? the oldest    │           │        graph given back)
//	             ▼ of the most frequent   ▼           ▼
//	           evicted               ended: counters, access line, decision
//
// With reactors the event loops accept, and a connection is a flight in one of them:
// matched, connected and relayed there if its route has a Planner, and given to a
// goroutine otherwise. Without them a goroutine accepts and each connection has its
// own.
//
// A socket outlives graphs and holds a reference to the one it aims at. A
// connection holds one from accept until it ends or a relay has it: from then on it
// pins no graph, no health check, no compiled module. The actors of a graph hold
// the one that Load was given. The last to let go drops what the graph shared.
//
// # What bounds clients
//
// max_connections and max_connections_per_ip refuse: the connection is closed and
// counted, and the log tells of the first one and of the end. max_matching makes
// room: of the address (for IPv6, of the /64) with the most undecided connections
// the oldest is closed. Head bytes are bounded in all. When descriptors run out,
// accept pauses, 5 ms at first and at most a second; clients wait in the kernel's
// queue, and if it goes on some are turned away with a descriptor that was kept for
// it.
package engine
