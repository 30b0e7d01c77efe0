// Package loop relays plain sockets without a goroutine, a stack or a buffer
// per connection: a few event loops, each of which serves thousands of pairs.
// Loops.Start is relay.Start for Linux and passes the same suite; pairs with an end that
// is no plain socket, TLS for one, go to relay.Start.
//
//	loops, err := loop.New(runtime.NumCPU())
//	if errors.Is(err, errors.ErrUnsupported) {
//		return relay.Start // another system
//	}
//	defer loops.Close()
//	link := loops.Start(relay.Endpoint{Conn: client, Head: peeked}, relay.Endpoint{Conn: upstream},
//		relay.Options{Idle: time.Hour, Done: logEnd})
//
// The loops can accept as well. Then a connection stays in a loop from its first byte to
// its last, without ever being a net.Conn. A [Driver] is what such a connection is for a
// session:
//
//	listener, err := loops.Listen(fd, acceptor) // every loop accepts
//	…
//	func (a *acceptor) Accepted(p loop.Peer) *loop.Client {
//		c := &conn{…}        // has a session.Session and a loop.Driver as fields
//		c.Drive(&c.Session)  // the Driver is the Events of its Client
//		return &c.Client
//	}
//
// # The loop
//
// A loop is an epoll and one goroutine, which waits for events in the kernel. In each
// round the goroutine takes the events and notes them, carries out commands, looks at
// timers, gives each pair on the run list its turn, and accepts.
//
//	epoll ──▶ mark ──▶ obey ──▶ expire ──▶ work ──▶ admit ──┐
//	  ▲     (notes)  (queue)   (wheel)  (run list) (accept) │
//	  └─────────────────────────────────────────────────────┘
//
// Sockets are registered once, edge-triggered. The loop keeps what an edge reports as a
// flag until it is used up, because the kernel does not report it again. A pair
// whose turn ended only because others wait stays on the run list, and the next
// look at the epoll does not wait. Listeners are level-triggered: a loop that does not
// accept all clients is told again, and never has to ask for the end of the queue.
//
// Other goroutines do not touch pairs. They put commands into a queue and, if the loop
// sleeps, write to its eventfd. A descriptor is closed only by its loop and only after
// all events of a round are noted. An event carries the number of its slot and how
// often that slot was given back, so that an event for a pair that is gone is dropped.
//
// # A short connection
//
// A client has a slot from accept on, and a stage: waiting, connecting, or joined with
// its upstream. When something has happened to the client, the loop calls a method of
// its Events, which decides what comes next. Work that most connections never need is
// put off:
//
//   - A client is registered with the epoll when it has to wait, and not before. Its
//     first bytes are received right after accept if that has found some lately.
//   - Within one machine a handshake is over when connect returns: the first send shows
//     its result without an event. The segment of that send also acknowledges the
//     handshake, which saves a packet.
//   - EPOLLOUT is asked for when a send was refused. TCP_NODELAY is set before the
//     second send to an upstream, keepalive after fifteen seconds.
//   - Where FIN came with the last bytes, a short receive is the end, and FIN is sent
//     on with the last bytes as well.
//   - Two descriptors that lie side by side are closed by one call.
//
// One connection at a time takes 16 system calls, one of many 13: wait, accept4,
// recv, socket, setsockopt, connect, send, twice epoll_ctl, wait, recv, send,
// shutdown, wait, recv, close_range. To count them:
//
//	strace -f -c -p $(pidof dwaar) # and then a known number of connections
//
// # Moving bytes
//
// Small messages are received into the loop's one buffer and sent from there: a pair
// that is silent or moves little holds no buffer. After two full receives a direction is
// bulk, and spliced through a borrowed pipe, until eight moves in a row were
// small. Pipes go back as soon as they are empty. Only one bulk pair has its
// turn per round, so that a small message waits for one of them.
//
// A destination that takes nothing stops its source. The rest of one receive is kept in
// a buffer of 16 KiB; where too many buffers are in use, only as much is received as the
// destination has taken. A pipe is filled only when empty, so that EAGAIN is about the
// socket. When splice reports the end or nothing to read, recv is asked as well, because
// splice does not see past urgent data. A pair that met urgent data is not spliced any
// more.
//
// # Memory
//
// A pair is a slot of a slab without pointers, which the garbage collector does not
// scan, and a handle or a Client: about 330 bytes. The timers of limits are lists
// through the slots; a byte that moves sets no timer.
package loop
