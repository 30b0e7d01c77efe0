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
	// batch is how many events are taken at once.
	batch = 256
	// quantum is how much one direction may move before the other pairs have
	// their turn, unless a single splice moves more.
	quantum = 512 << 10
	// stepCost is what a system call counts at least towards the quantum.
	stepCost = 4 << 10
	// mostIdleCommands is how long a list of commands may be to be used again.
	mostIdleCommands = 1 << 10
)

// loop is one epoll and the goroutine that waits for it. All fields but
// queue and the shared counters are that goroutine's.
type loop struct {
	epoll int
	queue queue
	base  time.Time // of the clock
	now   int64     // when this round began, since base

	slab  slab
	wheel wheel
	pipes pipes
	keeps keeps

	buf    [keepSize]byte // what is received and sent at once
	events [batch]unix.EpollEvent
	busy   bool    // the last wait gave several events: look before waiting
	run    []int32 // slots with something to do
	later  []int32 // the list that was worked off last
	bulky  []int32 // slots that move much at once, in the order of their turns
	due    []int32
	idle   []command // an empty list

	intakes  []*intake // by number; nil: free
	calls    int       // how many of them have clients
	rounds   uint64
	yieldAt  int64
	resumeAt int64    // when a listener that was left alone is due; 0: none is
	fresh    *intake  // whose client is being started
	peer     sockaddr // of the client that is being accepted
	low      uint16   // ports that the kernel connects from
	high     uint16

	tells    *sync.WaitGroup              // calls of Done
	stages   [connecting + 1]atomic.Int64 // how many slots are in each
	accepted atomic.Uint64
}

// loop runs until the queue is closed, and ends what is left then.
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

// yieldEvery is less than the 10 ms after which Go's scheduler takes a goroutine for
// one that hogs its processor. From then on its watchman looks every 20 µs, which
// cost a twentieth of the processor time of small requests.
const yieldEvery = int64(5 * time.Millisecond)

// yield lets the scheduler see now and then that this goroutine does not hog.
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
			r.call(key) // or the eventfd, or a pair that is gone
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

// note translates an event.
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

// enqueue puts slot i on the run list, or where it waits for its turn alone.
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

// work gives every slot on the run list its turn, and then one of those that
// move much. A small message waits for one of them, however many there are.
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

// turn does what can be done for a pair now, and says whether more could be. A
// panic costs the pair, not the others.
func (r *loop) turn(i int32, s *slot) (again bool) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked = true
			s.blame(relay.Self, relay.Broken)
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

// obey carries out the commands, and says whether the loop is to end.
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
