package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// bulkAfter is how many full receives in a row make a direction bulk. Below some
	// 32 KiB the additional calls of splice cost more than copying does.
	bulkAfter = 2
	// smallAfter is how many moves of less than a buffer make a direction small again.
	smallAfter = 8
)

// pump moves what end e of a pair has sent to the other end, and reports whether it
// stopped only because other pairs have their turn.
func (r *loop) pump(i int32, s *slot, e int) bool {
	src, dst := &s.ends[e], &s.ends[1-e]
	for budget := quantum; budget > 0; {
		if src.is(done) || dst.is(gone) {
			return false
		}
		if !src.pending() && src.is(eof) {
			r.finish(i, s, e)
			return false
		}
		if !dst.is(writable) || !src.pending() && !src.is(readable) {
			return false
		}
		budget -= max(r.move(i, s, e), stepCost)
	}
	return true
}

// move does one step of pump: it writes bytes that wait, or receives. It returns how
// many bytes were moved.
func (r *loop) move(i int32, s *slot, e int) int {
	src := &s.ends[e]
	switch {
	case src.is(headed):
		return r.writeHead(i, s, e)
	case src.keep != none:
		return r.writeKept(i, s, e)
	case src.piped > 0:
		return r.writePiped(i, s, e)
	case src.is(bulk) && !src.is(unfit):
		return r.spliceIn(i, s, e)
	}
	return r.exchange(i, s, e)
}

// exchange receives once and sends that.
func (r *loop) exchange(i int32, s *slot, e int) int {
	if !r.keeps.reserve() {
		return r.exchangeExactly(i, s, e)
	}
	n := r.receive(i, s, e, r.buf[:], 0)
	how := 0
	if s.ends[e].flags&(eof|gone) == eof {
		how = unix.MSG_MORE // FIN, which is sent next, goes into the same segment
	}
	sent := r.write(i, s, e, r.buf[:n], how)
	if src := &s.ends[e]; sent < n && !s.ends[1-e].is(gone) {
		src.keep = r.keeps.keep(r.buf[sent:n])
		src.from, src.to = 0, int32(n-sent)
	} else {
		r.keeps.release()
	}
	return n
}

// exchangeExactly takes from the receive queue only as much as the other end has taken,
// at the cost of one call more. It is for when no buffer is left to keep the rest.
func (r *loop) exchangeExactly(i int32, s *slot, e int) int {
	n := r.receive(i, s, e, r.buf[:], unix.MSG_PEEK)
	sent := r.write(i, s, e, r.buf[:n], 0)
	for left := sent; left > 0; {
		m, errno := recv(s.ends[e].fd, r.buf[:left], 0)
		if errno != 0 {
			r.broke(i, s, e, reading, errno)
		}
		if m == 0 {
			break
		}
		left -= m
	}
	if sent < n {
		s.ends[e].set(readable)
	}
	return sent
}

// receive receives once into b and notes what that tells of the end.
func (r *loop) receive(i int32, s *slot, e int, b []byte, how int) int {
	src := &s.ends[e]
	n, errno := recv(src.fd, b, how)
	switch {
	case errno == unix.EAGAIN:
		src.clear(readable)
		if src.is(gone) {
			src.set(eof)
		}
	case errno != 0:
		src.set(eof)
		r.broke(i, s, e, reading, errno)
	case n == 0:
		src.set(eof)
	case how == 0:
		src.short(n < len(b))
	case n < len(b) && !src.is(wary):
		src.clear(readable)
	}
	src.answered(n)
	if !src.is(bulk) {
		src.grade(n == len(b), bulkAfter, bulk)
	}
	return n
}

// short is told whether a receive gave less than there was room for. Such a receive
// emptied the queue, and after FIN reached the end of the stream, unless something else
// can cut a receive short.
func (e *end) short(was bool) {
	switch {
	case !was:
	case e.is(last) && !e.is(unfit):
		e.clear(readable)
		e.set(eof)
	case !e.is(wary):
		e.clear(readable)
	}
}

// grade counts the receives in a row that speak for a change to or from bulk, and
// makes the change after so many.
func (e *end) grade(change bool, after uint8, to flags) {
	if !change {
		e.streak = 0
		return
	}
	if e.streak++; e.streak >= after {
		e.flags = e.flags&^bulk | to
		e.streak = 0
	}
}

// write sends what it can of b to the end opposite e.
func (r *loop) write(i int32, s *slot, e int, b []byte, how int) int {
	if len(b) == 0 {
		return 0
	}
	dst := &s.ends[1-e]
	dst.hurry(len(b))
	n, errno := send(dst.fd, b, how)
	r.wrote(i, s, e, n, n < len(b), errno)
	return n
}

// wrote notes the result of a write to the end opposite e.
func (r *loop) wrote(i int32, s *slot, e, n int, blocked bool, errno unix.Errno) {
	if n > 0 {
		s.policy.Moved = time.Duration(r.now)
		r.slab.links[i].counts[e].Add(int64(n))
	}
	switch {
	case errno != 0 && errno != unix.EAGAIN:
		r.broke(i, s, 1-e, writing, errno)
	case blocked:
		r.awaitRoom(i, s, 1-e)
	}
}

// awaitRoom notes that end e takes no more, and has the kernel report when it does.
func (r *loop) awaitRoom(i int32, s *slot, e int) {
	end := &s.ends[e]
	end.clear(writable)
	if end.is(spacious) {
		return
	}
	end.set(spacious)
	if errno := control(r.epoll, unix.EPOLL_CTL_MOD, end.fd, end.interest(), key{i<<1 | int32(e), s.uses}); errno != 0 {
		r.broke(i, s, e, opening, errno)
	}
}

// writeHead goes on with the head of end e.
func (r *loop) writeHead(i int32, s *slot, e int) int {
	l := r.slab.links[i]
	n := r.write(i, s, e, l.head(e), 0)
	if l.hold(e, l.head(e)[n:]); len(l.head(e)) == 0 {
		s.ends[e].clear(headed)
	}
	return n
}

// writeKept goes on with the bytes that the destination did not take before.
func (r *loop) writeKept(i int32, s *slot, e int) int {
	src := &s.ends[e]
	n := r.write(i, s, e, r.keeps.bufs[src.keep][src.from:src.to], 0)
	if src.from += int32(n); src.from == src.to {
		r.keeps.drop(src.keep)
		src.keep = none
	}
	return n
}

// spliceIn moves bytes from end e into an empty pipe, and on to the other end.
func (r *loop) spliceIn(i int32, s *slot, e int) int {
	src := &s.ends[e]
	if src.pipe == noPipe() && !r.borrow(s, src) {
		return r.exchange(i, s, e)
	}
	n, errno := splice(src.fd, src.pipe.w, src.pipe.size())
	if n > 0 {
		src.piped = int32(n)
		src.grade(n < keepSize, smallAfter, 0)
		return r.writePiped(i, s, e)
	}
	r.returnPipe(src)
	switch errno {
	case 0, unix.EAGAIN:
	case unix.EINVAL:
		src.set(unfit)
	default: // the kernel reports an error once: recv would not get it
		r.broke(i, s, e, reading, errno)
	}
	// The end may have finished, broken, or sent nothing more, or an urgent byte may be
	// next, where splice reports nothing (EAGAIN) or an end (0): recv tells which.
	if n = r.exchange(i, s, e); n > 0 && errno == 0 {
		s.ends[0].set(unfit)
		s.ends[1].set(unfit)
	}
	return n
}

// borrow gives src a pipe, and reports whether it did: not if there is none, or if the
// sockets would block in splice, which has no flag against that.
func (r *loop) borrow(s *slot, src *end) bool {
	if !s.checked {
		s.checked = true
		if blocking(s.ends[0].fd) || blocking(s.ends[1].fd) {
			s.ends[0].set(unfit)
			s.ends[1].set(unfit)
			return false
		}
	}
	p, ok := r.pipes.lend(r.now)
	if ok {
		src.pipe = p
	}
	return ok
}

// returnPipe gives back the pipe of src, which may hold bytes.
func (r *loop) returnPipe(src *end) {
	switch {
	case src.pipe == noPipe():
		return
	case src.piped > 0:
		r.pipes.budget.drop(src.pipe)
	default:
		r.pipes.giveBack(src.pipe, r.now)
	}
	src.pipe, src.piped = noPipe(), 0
}

// writePiped moves the bytes in the pipe of end e to the other end.
func (r *loop) writePiped(i int32, s *slot, e int) int {
	src := &s.ends[e]
	dst := &s.ends[1-e]
	dst.hurry(int(src.piped))
	n, errno := splice(src.pipe.r, dst.fd, int(src.piped))
	src.piped -= int32(n)
	r.wrote(i, s, e, n, errno == unix.EAGAIN, errno)
	if src.piped == 0 {
		r.returnPipe(src)
	}
	return n
}

// forget drops what was received from end e and not written.
func (r *loop) forget(l *link, s *slot, e int) {
	src := &s.ends[e]
	if src.keep != none {
		r.keeps.drop(src.keep)
		src.keep = none
	}
	l.hold(e, nil)
	src.clear(headed)
	r.returnPipe(src)
}
