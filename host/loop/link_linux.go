package loop

import (
	"sync"
	"sync/atomic"

	"dwaar.dev/dwaar/host/relay"
)

// link is the part of a pair that other goroutines see: a handle, and the counts. It is
// the relay.Runner of the handle.
type link struct {
	handle  relay.Link
	loop    atomic.Pointer[loop] // nil before a client has a slot
	session Events               // of a client; nil: a link of Start, whose end done is told
	done    func(relay.Result)
	counts  [2]atomic.Int64 // bytes written to the upstream, to the client
	heads   *[2][]byte      // by end: the rest of the head, still to be written; nil: nothing
	early   atomic.Int32    // 1 + the reason of a Kill before there was a loop; 0: none came
	slot    int32           // only for the loop's goroutine; none before and after
}

// Kill is relay.Link.Kill. A Kill that runs while a loop takes the client in stores its
// reason and then loads the loop; the loop stores itself and then loads the reason: one
// of the two sees the other.
func (l *link) Kill(reason relay.Reason) {
	r := l.loop.Load()
	if r == nil {
		l.early.Store(1 + int32(reason))
		if r = l.loop.Load(); r == nil {
			return
		}
	}
	r.queue.push(command{link: l, reason: reason})
}

// Counts is relay.Link.Counts.
func (l *link) Counts() (up, down int64) { return l.counts[0].Load(), l.counts[1].Load() }

// hold keeps the head of end e, which is written before anything else that e sends.
func (l *link) hold(e int, head []byte) {
	if l.heads == nil {
		if len(head) == 0 {
			return
		}
		l.heads = new([2][]byte)
	}
	if l.heads[e] = head; len(l.heads[0])+len(l.heads[1]) == 0 {
		l.heads = nil
	}
}

// head returns what of the head of end e is still to be written.
func (l *link) head(e int) []byte {
	if l.heads == nil {
		return nil
	}
	return l.heads[e]
}

// command is what another goroutine asks of a loop: to start or end a link, to begin or
// leave a listener. A command has the link, and not its slot: a command for a link that
// has ended finds no slot, whatever pair has the slot by then.
type command struct {
	link   *link
	begin  *beginning   // start the link; nil: end it
	reason relay.Reason // why the link is ended
	listen *Listener    // begin to accept from this listener, or leave it; nil: see link
	leave  bool         // of listen
}

// beginning is what a link of Start begins with.
type beginning struct {
	fds [2]int32
	o   relay.Options
}

// queue brings commands to a loop, and wakes a loop that sleeps.
type queue struct {
	wake   int         // the eventfd
	asleep atomic.Bool // the loop waits, or is about to
	filled atomic.Bool // list is not empty, or closing is set

	mu      sync.Mutex
	list    []command
	closing bool // the loop is to end everything and return
	closed  bool // the loop has returned
}

// push enters c, and reports whether the loop will carry c out: not after close.
func (q *queue) push(c command) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return false
	}
	q.list = append(q.list, c)
	q.ring()
	return true
}

// close has the loop end everything and return. It may be called again.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closing = true
	q.ring()
}

// ring wakes the loop if it sleeps. q.mu is held, so that the eventfd is still open.
func (q *queue) ring() {
	q.filled.Store(true)
	if !q.closed && q.asleep.CompareAndSwap(true, false) {
		ring(q.wake)
	}
}

// mayWait reports whether the loop may wait: not if commands have come. From now on a
// command rings.
func (q *queue) mayWait() bool {
	q.asleep.Store(true)
	if q.filled.Load() {
		q.asleep.Store(false)
		return false
	}
	return true
}

// woken is called after the wait that mayWait allowed.
func (q *queue) woken() { q.asleep.Store(false) }

// take returns the commands that have come, and keeps an empty list for the next ones.
func (q *queue) take(empty []command) (list []command, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, q.list = q.list, empty
	q.filled.Store(false)
	return list, q.closing
}

// shut notes that the loop has returned: nobody rings any more.
func (q *queue) shut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
