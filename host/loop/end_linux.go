package loop

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// doing is the operation during which an end broke.
type doing uint8

const (
	nothing doing = iota
	opening
	reading
	writing
	finishing
)

// failure returns errno with the name of the system call; nil for nothing.
func (d doing) failure(errno unix.Errno) error {
	if d == nothing {
		return nil
	}
	return os.NewSyscallError([...]string{opening: "epoll_ctl", reading: "recv", writing: "send", finishing: "shutdown"}[d], errno)
}

// describe returns the error of a Result; nil for nothing.
func (d doing) describe(by relay.Side, errno unix.Errno) error {
	if d == nothing {
		return nil
	}
	what := [...]string{opening: "opening", reading: "reading from", writing: "writing to", finishing: "finishing towards"}[d]
	return fmt.Errorf("%s %v: %w", what, by, d.failure(errno))
}

// reasonOf tells a reset from other failures. After the reset itself has been
// reported the kernel says EPIPE to a write and ENOTCONN to a shutdown.
func reasonOf(errno unix.Errno) relay.Reason {
	switch errno {
	case unix.ECONNRESET, unix.EPIPE, unix.ENOTCONN:
		return relay.Reset
	}
	return relay.Broken
}

// sideOf names end e.
func sideOf(e int) relay.Side { return relay.Down + relay.Side(e) }

// begin makes a pair of two descriptors. The first event tells what can be read; an end
// is assumed to take its first bytes.
func (r *loop) begin(l *link, b *beginning) {
	i, s := r.slab.take(l)
	l.slot = i
	for e := range s.ends {
		s.ends[e].fd = b.fds[e]
		s.ends[e].set(spacious)
	}
	r.stages[joined].Add(1)
	r.join(i, s, &b.o)
	if s.ends[0].is(headed|gone) || s.ends[1].is(headed|gone) {
		r.enqueue(i, s)
	}
}

// join makes slot i a pair that is relayed.
func (r *loop) join(i int32, s *slot, o *relay.Options) {
	s.policy.Begin(time.Duration(r.now), o)
	l := r.slab.links[i]
	for e := range s.ends {
		s.ends[e].set(writable)
		if len(l.head(e)) > 0 {
			s.ends[e].set(headed)
		}
	}
	for e := range s.ends {
		if errno := r.enter(i, s, e); errno != 0 {
			r.broke(i, s, e, opening, errno)
		}
	}
	r.rearm(i, s)
}

// enter registers end e with the epoll, unless it is registered. Bytes that have come
// already cause an event.
func (r *loop) enter(i int32, s *slot, e int) unix.Errno {
	end := &s.ends[e]
	if end.is(entered) {
		return 0
	}
	errno := control(r.epoll, unix.EPOLL_CTL_ADD, end.fd, end.interest(), key{i<<1 | int32(e), s.uses})
	if errno == 0 {
		end.set(entered)
	}
	return errno
}

// interest returns the events that an end is registered for. A client and its upstream
// are not registered for EPOLLOUT at first: it is true at once, an event for nothing.
func (e *end) interest() uint32 {
	const always = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLPRI | unix.EPOLLET
	if e.is(spacious) {
		return always | unix.EPOLLOUT | unix.EPOLLWRBAND
	}
	return always
}

// askError asks whether an event reported an error of the connection. The event may
// have been about a message in the socket's error queue.
func (r *loop) askError(i int32, s *slot, e int) {
	s.ends[e].clear(failed)
	if errno := socketError(s.ends[e].fd); errno != 0 {
		r.broke(i, s, e, reading, errno)
	}
}

// broke notes that nothing can be sent to end e any more. Bytes that e had sent are
// still delivered; bytes on the way to e are dropped.
func (r *loop) broke(i int32, s *slot, e int, at doing, errno unix.Errno) {
	end := &s.ends[e]
	if end.is(gone) {
		return
	}
	end.set(gone | readable | wary)
	if s.policy.Break(time.Duration(r.now), sideOf(e), reasonOf(errno)) {
		s.doing, s.errno = at, errno
	}
	r.forget(r.slab.links[i], s, 1-e)
	r.rearm(i, s)
}

// finish tells the other end that end e has finished sending. If both have, closing
// them tells that.
func (r *loop) finish(i int32, s *slot, e int) {
	src := &s.ends[e]
	src.set(done)
	if src.is(gone) {
		return
	}
	src.set(orderly)
	s.policy.Finish(time.Duration(r.now), sideOf(e))
	if s.ends[1-e].is(done) {
		return
	}
	if errno := finishSending(s.ends[1-e].fd); errno != 0 {
		r.broke(i, s, 1-e, finishing, errno)
	}
	r.rearm(i, s)
}

// settle ends the pair if nothing is left to do for it, and reports whether the pair
// goes on as before.
func (r *loop) settle(i int32, s *slot) bool {
	down, up := &s.ends[0], &s.ends[1]
	switch {
	case down.is(gone) && up.is(gone):
		r.end(i, s)
	case down.is(gone):
		return r.settleBroken(i, s, down)
	case up.is(gone):
		return r.settleBroken(i, s, up)
	case down.is(done) && up.is(done):
		s.policy.Blame(s.policy.First, relay.Finished)
		r.end(i, s)
	default:
		return true
	}
	return false
}

// settleBroken begins to flush the other end once everything that the broken one had
// sent was written to it. It reports whether the pair goes on as before.
func (r *loop) settleBroken(i int32, s *slot, broken *end) bool {
	if !broken.is(done) {
		return true
	}
	s.flushing = true
	r.flush(i, s)
	return false
}

// The pauses between two looks at a send queue, doubled up to the last one. On the
// loopback the queue is empty within the first one; 50 ms are short beside the round
// trips of a slow peer.
const (
	firstLook = int64(time.Millisecond)
	lastLook  = int64(50 * time.Millisecond)
)

// flush ends the pair once the end that did not break has acknowledged everything, or
// has broken as well. An earlier reset would throw away what the kernel has not sent.
func (r *loop) flush(i int32, s *slot) {
	whole := &s.ends[0]
	if whole.is(gone) {
		whole = &s.ends[1]
	}
	if whole.is(gone) || unsent(whole.fd) == 0 {
		r.end(i, s)
		return
	}
	pause := min(firstLook<<s.pause, lastLook)
	if pause < lastLook {
		s.pause++
	}
	r.wheel.set(&r.slab, i, ticksUntil(min(r.now+pause, int64(s.policy.LingerAt))))
}

// kill ends a pair now, or calls Events.Killed of a client.
func (r *loop) kill(i int32, reason relay.Reason) {
	s := r.slab.at(i)
	if s.stage != joined {
		r.killed(i, s, reason)
		return
	}
	s.policy.Blame(relay.Self, reason)
	r.end(i, s)
}

// missing reports whether end e, which has not broken, lacks bytes that the other end
// had sent.
func (s *slot) missing(e int) bool {
	end, src := &s.ends[e], &s.ends[1-e]
	switch {
	case end.is(gone):
		return false
	case src.pending():
		return true
	case src.is(gone):
		return !src.is(done) && received(src.fd) > 0 || unsent(end.fd) > 0
	}
	return !src.is(done) && received(src.fd) > 0
}

// end closes both sockets, in order where the peer got everything and otherwise with a
// reset, and tells the result.
func (r *loop) end(i int32, s *slot) {
	l := r.slab.links[i]
	cut := [2]bool{s.missing(0), s.missing(1)}
	for e := range s.ends {
		r.forget(l, s, e)
	}
	broken := s.ends[0].is(gone) || s.ends[1].is(gone)
	closeBoth(s.ends[0].fd, s.ends[1].fd, cut[0] || broken, cut[1] || broken)
	up, down := l.Counts()
	res := relay.Result{
		Up: up, Down: down, By: s.policy.By, Reason: s.policy.Reason,
		DownFinished: s.ends[0].is(orderly), UpFinished: s.ends[1].is(orderly),
		Cut: cut[0] || cut[1], Err: s.doing.describe(s.policy.By, s.errno),
	}
	if s.panicked {
		res.Err = relay.ErrPanic
	}
	r.release(i, s)
	if l.session != nil {
		r.ended(l, res)
	} else if done := l.done; done != nil {
		l.done = nil
		r.tells.Add(1)
		go r.tell(done, res)
	}
}

// release takes slot i back. Its descriptors are closed, or detached.
func (r *loop) release(i int32, s *slot) {
	l := r.slab.links[i]
	r.wheel.stop(&r.slab, i)
	r.stages[s.stage].Add(-1)
	r.slab.give(i)
	l.slot, l.heads = none, nil
}

// tell calls Done, in a goroutine of its own because Done may wait.
func (r *loop) tell(done func(relay.Result), res relay.Result) {
	defer r.tells.Done()
	done(res)
}
