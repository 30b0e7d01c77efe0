package loop

import (
	"sync"
	"sync/atomic"

	"dwaar.dev/dwaar/host/relay"
)

// link is what the outside has of a pair: a handle, and the counts. It
// implements relay.Runner.
type link struct {
	handle  relay.Link
	loop    atomic.Pointer[loop] // nil before a client has its slot
	session Events               // who serves it and is told of the end; nil: done is told
	done    func(relay.Result)
	counts  [2]atomic.Int64 // written to the upstream, to the client
	heads   *[2][]byte      // what of them is still to be written; nil: nothing
	early   atomic.Int32    // 1 + the reason of a Kill before there was a loop
	slot    int32           // only the loop's goroutine uses it; none before and after
}

// Kill is relay.Link.Kill. Whoever comes later, it or the loop that takes the
// client in, sees what the other one has left.
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

// hold keeps what end e has sent before and is to be written first.
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

// head is what is left of that.
func (l *link) head(e int) []byte {
	if l.heads == nil {
		return nil
	}
	return l.heads[e]
}

// command is what another goroutine wants of a loop: the start of a link,
// or its end. It names the link, which knows its slot while it has one: a
// command for a link that has ended finds nothing, whoever has the slot now.
type command struct {
	link   *link
	begin  *beginning
	reason relay.Reason
	listen *Listener // begin to accept its clients, or
	leave  bool      // leave it
}

// beginning is what a link starts with.
type beginning struct {
	fds [2]int32
	o   relay.Options
}

// queue brings commands to a loop, and wakes it if it sleeps.
type queue struct {
	wake   int         // the eventfd
	asleep atomic.Bool // the loop waits, or is about to
	filled atomic.Bool // there is something in list, or closing is set

	mu      sync.Mutex
	list    []command
	closing bool // the loop is to end all and return
	closed  bool // it takes nothing any more
}

// push enters c, and says whether it will be looked at.
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

// close makes the loop end. It may be called again.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closing = true
	q.ring()
}

// ring tells the loop that something has come. q.mu is held, so that the
// eventfd is still open.
func (q *queue) ring() {
	q.filled.Store(true)
	if !q.closed && q.asleep.CompareAndSwap(true, false) {
		ring(q.wake)
	}
}

// mayWait says whether the loop may wait: what comes from now on rings.
func (q *queue) mayWait() bool {
	q.asleep.Store(true)
	if q.filled.Load() {
		q.asleep.Store(false)
		return false
	}
	return true
}

// woken ends what mayWait began.
func (q *queue) woken() { q.asleep.Store(false) }

// take returns what has come, in exchange for an empty list.
func (q *queue) take(empty []command) (list []command, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, q.list = q.list, empty
	q.filled.Store(false)
	return list, q.closing
}

// shut says that the loop has left: nobody may ring any more.
func (q *queue) shut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
