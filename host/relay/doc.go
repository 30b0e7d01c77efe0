// Package relay joins two stream connections: what one side sends, the other
// receives, in order, exactly once, until both have finished or one of them
// breaks. It is the last stage of a proxy and knows nothing of the earlier
// ones: it needs two ends and, for each, the bytes somebody has read already.
//
//	link := relay.Start(
//		relay.Endpoint{Conn: client, Head: peeked},
//		relay.Endpoint{Conn: upstream},
//		relay.Options{
//			Idle: time.Hour,
//			Done: func(r relay.Result) {
//				log.Printf("ended by %v (%v): %d up, %d down", r.By, r.Reason, r.Up, r.Down)
//			},
//		})
//	// from any goroutine, at any time:
//	link.Kill(relay.Drained)
//
// Start works everywhere and with any net.Conn. Package loop has a Start for plain
// sockets on Linux that needs no goroutine per connection and keeps the same contract.
// The rest of this comment is about the Start of this package.
//
// # Data flow
//
// A Link has two ends and two halves. A half is one direction and one
// goroutine; only that half reads its source, and only that half writes its
// destination:
//
//	            head   ┌────────────── half ──────────────┐
//	down (client) ───▶ │ wait, take a buffer, read, write │ ───▶ up (upstream)
//	              ◀─── │ write, read, take a buffer, wait │ ◀───
//	                   └────────────── half ──────────────┘ head
//
// A half first writes the head of its source. Then it waits until the source
// is readable, takes a 32 KiB buffer from a pool, reads once, writes, and
// gives the buffer back: a silent connection holds no buffer. That is possible
// where the connection is a plain socket. Any other connection, TLS for one, is
// read through its own Read with a buffer of 4 KiB, or of 32 KiB while reads
// fill it. A destination that does not take bytes stops the
// half in Write, and so its source: nothing is queued in this package.
//
// # How a link ends
//
// End of file from a source is passed on with CloseWrite, and the other half
// carries on. When both halves have finished, both ends are closed. After the
// end of its source a half stays to watch that source for a reset, which nobody
// would see otherwise.
//
// When an end breaks (a reset, or a read or write that fails), the bytes that
// end had sent are still delivered: the half that reads goes on until the receive
// queue is empty. Then the link waits until the other peer's kernel has acknowledged
// everything, at most Options.Linger, and only then resets the other end: a
// reset throws away what the kernel has not sent yet. An end with TLS on it is
// reset beneath the TLS, without close_notify, so that a cut stream does not
// look complete.
//
// A limit of Options or a Kill wakes both halves by a deadline in the past.
// An end that got everything is closed in order; an end that misses bytes is
// reset. Descriptors are closed only by the half that leaves last, which then
// calls Options.Done. Only where a connection ignores its deadlines does the
// link's timer close the socket under it, a second later.
package relay
