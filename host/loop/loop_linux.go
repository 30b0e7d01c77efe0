package loop

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

const (
	// batch is how many events are taken at once at most.
	batch = 256
	// quantum is how much one direction may move before the other pairs have
	// their turn, unless a single splice moves more.
	quantum = 512 << 10
	// stepCost is what a system call counts at least towards the quantum.
	stepCost = 4 << 10
	// mostIdleCommands is how long a list of commands may be to be used again.
	mostIdleCommands = 1 << 10
)

// loop is one epoll and the goroutine that waits for its events. Only that goroutine
// uses the fields, except queue and the atomic counters.
type loop struct {
	epoll int
	queue queue
	base  time.Time // zero of the loop's clock
	now   int64     // when this round began: nanoseconds since base

	slab  slab
	wheel wheel
	pipes pipes
	keeps keeps

	buf    [keepSize]byte // for bytes that are received and sent at once
	events [batch]unix.EpollEvent
	busy   bool      // the last wait gave several events: look before waiting
	run    []int32   // slots with something to do
	later  []int32   // the run list of the round before, for its memory
	bulky  []int32   // slots that move much at once, in the order of their turns
	due    []int32   // slots whose timers are due, in expire
	idle   []command // an empty list, for its memory

	intakes  []*intake // by number; nil: free
	calls    int       // how many intakes have clients
	rounds   uint64    // rounds of admit so far
	yieldAt  int64     // when yield is to be called
	resumeAt int64     // when the first pause of a listener is over; 0: none pauses
	fresh    *intake   // of the client that is being started, until its first Recv; nil: none
	peer     sockaddr  // scratch address of accept, connect and getsockname
	low      uint16    // first port that the kernel connects from
	high     uint16    // last port that the kernel connects from

	tells    *sync.WaitGroup              // calls of Done under way
	stages   [connecting + 1]atomic.Int64 // how many slots are in each
	accepted atomic.Uint64
}

// main is the goroutine of the loop. It runs until the queue is closed, and ends what is
// left then.
func (r *loop) main() {
	for {
		n := r.await()
		r.now = int64(time.Since(r.base))
		r.yield()
		r.mark(r.events[:n])
		if r.queue.filled.Load() && r.obey() {
			r.leave()
			return
		}
		r.expire()
		r.resume()
		r.work()
		r.admit()
		r.pipes.trim(r.now)
	}
}

// yieldEvery is less than the 10 ms after which Go's scheduler takes a goroutine for one
// that hogs its processor. From then on the runtime's monitor thread looks every 20 µs,
// which cost a twentieth of the processor time of small requests.
const yieldEvery = int64(5 * time.Millisecond)

// yield yields now and then, so that the scheduler does not take this goroutine for one
// that hogs its processor.
func (r *loop) yield() {
	if r.now >= r.yieldAt {
		r.yieldAt = r.now + yieldEvery
		runtime.Gosched()
	}
}

// await waits for events, unless there is something to do without them.
func (r *loop) await() int {
	if work := len(r.run)+len(r.bulky)+r.calls > 0; work || r.busy {
		n := poll(r.epoll, r.events[:])
		r.busy = n > 1
		if n > 0 || work {
			return n
		}
	}
	if !r.queue.mayWait() {
		return 0
	}
	n := wait(r.epoll, r.events[:], r.patience())
	r.queue.woken()
	r.busy = n > 1
	return n
}

// patience returns how many milliseconds may pass until a timer is due.
func (r *loop) patience() int {
	at, ok := r.wheel.next()
	at <<= tickShift
	if r.pipes.trimAt != 0 && (!ok || r.pipes.trimAt < at) {
		at, ok = r.pipes.trimAt, true
	}
	if r.resumeAt != 0 && (!ok || r.resumeAt < at) {
		at, ok = r.resumeAt, true
	}
	if !ok {
		return -1
	}
	left := time.Duration(at) - time.Since(r.base)
	return int(min(max(left+time.Millisecond-1, 0)/time.Millisecond, time.Hour/time.Millisecond))
}

// mark notes what the events say. Nothing is closed before all are noted.
func (r *loop) mark(events []unix.EpollEvent) {
	for k := range events {
		key := keyOf(&events[k])
		i, e, s := r.slab.find(key)
		if s == nil {
			r.call(key) // a listener; the eventfd and pairs that are gone are ignored
			continue
		}
		s.ends[e].note(events[k].Events)
		if events[k].Events&unix.EPOLLPRI != 0 {
			s.ends[0].set(unfit)
			s.ends[1].set(unfit)
		}
		r.enqueue(i, s)
	}
}

// note sets the flags that an event of the kernel stands for.
func (e *end) note(events uint32) {
	const (
		in  = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLHUP
		odd = unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLWRBAND
	)
	if events&in != 0 {
		e.set(readable)
	}
	if events&unix.EPOLLOUT != 0 {
		e.set(writable)
	}
	// A Unix socket, the only one to say WRBAND, ends a receive also behind a
	// message that descriptors were sent with.
	if events&odd != 0 {
		e.set(wary)
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLPRI) == unix.EPOLLRDHUP && e.is(tcp) {
		e.set(last)
	}
	if events&unix.EPOLLERR != 0 {
		e.set(failed)
	}
}

// enqueue puts slot i on the run list, or among the bulk slots, of which one has its
// turn per round.
func (r *loop) enqueue(i int32, s *slot) {
	switch {
	case s.queued:
		return
	case s.ends[0].is(bulk) || s.ends[1].is(bulk):
		r.bulky = append(r.bulky, i)
	default:
		r.run = append(r.run, i)
	}
	s.queued = true
}

// work gives every slot on the run list its turn, and then one bulk slot. A small
// message waits for one bulk slot, however many there are.
func (r *loop) work() {
	list := r.run
	r.run = r.later[:0]
	for _, i := range list {
		r.serve(i)
	}
	r.later = list
	if len(r.bulky) > 0 {
		i := r.bulky[0]
		r.bulky = r.bulky[:copy(r.bulky, r.bulky[1:])]
		r.serve(i)
	}
}

// serve gives slot i its turn, unless it has ended meanwhile.
func (r *loop) serve(i int32) {
	s := r.slab.at(i)
	if !s.queued {
		return
	}
	s.queued = false
	if s.stage != joined {
		r.attend(i, s)
	} else if r.turn(i, s) {
		r.enqueue(i, s)
	}
}

// turn does for a pair what can be done now, and reports whether more could be done. A
// panic ends the pair, and no other one.
func (r *loop) turn(i int32, s *slot) (again bool) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked = true
			s.policy.Blame(relay.Self, relay.Broken)
			r.end(i, s)
		}
	}()
	for e := range s.ends {
		if s.ends[e].is(failed) {
			r.askError(i, s, e)
		}
	}
	if s.flushing {
		r.flush(i, s)
		return false
	}
	first := r.pump(i, s, 0)
	second := r.pump(i, s, 1)
	return r.settle(i, s) && (first || second)
}

// obey carries out the commands, and reports whether the loop is to end.
func (r *loop) obey() (closing bool) {
	list, closing := r.queue.take(r.idle)
	for k := range list {
		c := &list[k]
		switch {
		case c.listen != nil && c.leave:
			r.quit(c.listen)
		case c.listen != nil:
			r.listen(c.listen)
		case c.begin != nil:
			r.begin(c.link, c.begin)
		case c.link.slot != none:
			r.kill(c.link.slot, c.reason)
		}
	}
	clear(list)
	r.idle = list[:0]
	if cap(list) > mostIdleCommands {
		r.idle = nil
	}
	return closing
}

// leave leaves the listeners, ends every pair and closes the epoll, last.
func (r *loop) leave() {
	for _, in := range r.intakes {
		if in != nil {
			r.dismiss(in)
		}
	}
	for _, l := range r.slab.links {
		if l != nil && l.slot != none {
			r.kill(l.slot, relay.Drained)
		}
	}
	for _, p := range r.pipes.idle {
		r.pipes.budget.drop(p)
	}
	r.queue.shut()
	_, _ = unix.Close(r.queue.wake), unix.Close(r.epoll)
}
