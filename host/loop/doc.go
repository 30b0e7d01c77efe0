// Package loop relays plain sockets without a goroutine, a stack or a buffer
// per connection: a few event loops, each of which serves thousands of pairs.
// It is relay.Start for Linux, and passes the same suite; what is not a plain
// socket, TLS for one, it gives to relay.Start.
//
//	loops, err := loop.New(runtime.NumCPU())
//	if errors.Is(err, errors.ErrUnsupported) {
//		return relay.Start // another system
//	}
//	defer loops.Close()
//	link := loops.Start(relay.Endpoint{Conn: client, Head: peeked}, relay.Endpoint{Conn: upstream},
//		relay.Options{Idle: time.Hour, Done: logEnd})
//
// Or they accept as well, and a connection lives on a loop from its first byte to
// its last, without ever being a net.Conn:
//
//	listener, err := loops.Listen(fd, acceptor) // every loop accepts
//	…
//	func (a *acceptor) Accepted(p loop.Peer) *loop.Client {
//		c := &conn{…} // has a Client as a field
//		c.Init(c)     // and is its Events: Start, Ready, Due, Connected, …
//		return &c.Client
//	}
//
// # The loop
//
// A loop is an epoll and one goroutine that waits for it in the kernel. A
// round is: take the events and note them, carry out commands, look at timers,
// give each pair on the run list its turn, accept.
//
//	epoll ──▶ mark ──▶ obey ──▶ expire ──▶ work ──▶ admit ──┐
//	  ▲     (notes)  (queue)   (wheel)  (run list) (accept) │
//	  └─────────────────────────────────────────────────────┘
//
// Sockets are registered once, edge-triggered. What an edge says is kept as a
// bit until it is used up, because the kernel does not say it again. A pair
// whose turn ended only because others wait stays on the run list, and the next
// look at the epoll does not wait. Listeners are level-triggered: who does not
// accept all is told again, and never has to ask for the end of the queue.
//
// Other goroutines do not touch pairs. They put commands into a queue and, if
// the loop sleeps, ring its eventfd. A descriptor is closed only by its
// loop and only after all events of a round are noted; an event carries
// slot and generation, so that one for a pair that is gone is known as such.
//
// # A short connection
//
// A client has its slot from accept on, and a stage: it waits, it connects, or it
// is one end of a pair. Its Events are called where something has happened, inline,
// and says what comes next. What most connections never need is not done for them:
//
//   - A client is registered when it has to wait, and not before. What it sends
//     first is received at once if that paid lately.
//   - On this machine a handshake is over when connect returns: the first send tells
//     how it went, and nobody waits for an event. It also acknowledges the
//     handshake, which saves a packet.
//   - EPOLLOUT is asked for when a send was refused. TCP_NODELAY is set before the
//     second send to an upstream, keepalive after fifteen seconds.
//   - Where FIN came with the last bytes, a short receive is the end, and FIN goes
//     out with the last bytes as well.
//   - Two descriptors that lie side by side are closed by one call.
//
// One connection at a time so takes 16 system calls, and 13 of many: wait, accept4,
// recv, socket, setsockopt, connect, send, twice epoll_ctl, wait, recv, send,
// shutdown, wait, recv, close_range. To count them:
//
//	strace -f -c -p $(pidof dwaar) # and then a known number of connections
//
// # Moving bytes
//
// Small messages are received into the loop's one buffer and sent from it: a
// silent or a small pair holds none. After two full receives a direction is
// bulk, and spliced through a borrowed pipe, until eight moves in a row were
// small. Pipes go back as soon as they are empty. Only one bulk pair has its
// turn per round, so that a small message waits for one of them.
//
// A destination that takes nothing stops its source. The rest of one receive is
// kept in a buffer of 16 KiB; where too many are in use, only what was taken is
// received. A pipe is filled only when it is empty, so that EAGAIN says
// something of the socket; and what splice says of an end or of nothing to read
// is checked by recv, because splice does not see past urgent data. A pair that
// met urgent data is not spliced any more.
//
// # Memory
//
// A pair is a slot of a slab without pointers, at which the garbage collector
// does not look, and a handle or a Client: about 330 bytes. Limits are a timer wheel
// threaded through the slots; a byte that moves sets no timer.
package loop
