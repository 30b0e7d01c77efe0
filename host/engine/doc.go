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
// # Sockets, generations and connections
//
// Load opens the sockets that a graph needs and that are not open, starts the actors of
// the graph, and then gives every socket a new target: the graph, the server whose routes
// apply, and the account that its connections keep. A connection is accepted, counted
// against the caps or refused, and becomes a session with the target's account.
//
// A socket outlives graphs and holds a reference to the graph of its target. With
// event loops the loops accept, and each connection begins in one of them, driven by
// loop.Driver; without loops a goroutine accepts and each connection has a goroutine,
// driven by [session.Session.Serve]. Package session holds the states of a connection;
// the engine is the [session.Owner] of all of them.
//
// A connection holds a reference to its graph from accept until it ends or a relay has
// it. From then on the connection keeps only its account, and no graph, health check or
// compiled module alive. The actors of a graph hold the reference that Load was given.
// Whoever releases the last reference has the store close what the graph shared.
//
// # What bounds clients
//
// max_connections, max_matching and client_memory are totals. At one of them the newcomer
// is let in, and the crowd that holds most (the connections of one address; for IPv6, of
// one /64) loses a connection: an undecided one first, then an unfinished one, then one
// whose relay is idle. Package crowd keeps account. Where nobody gives way, and at
// max_connections_per_ip, the newcomer is refused. Engine.record learns of everybody whom
// a cap costs a connection; the log reports the first of a spell and its end, and the
// addresses of those that were refused, a few lines however many there are. When
// descriptors run out, accept pauses, 5 ms at first and at most a second; clients wait
// in the queue of the kernel, and if the shortage goes on some are turned away with a
// descriptor that was kept for that.
package engine
