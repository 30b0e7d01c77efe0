package loop

import (
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// pass brings a slot to another stage.
func (r *loop) pass(s *slot, to stage) {
	if s.stage == to {
		return
	}
	r.stages[s.stage].Add(-1)
	r.stages[to].Add(1)
	s.stage = to
}

// start gives a client a slot and calls Events.Start.
func (r *loop) start(in *intake, c *Client, fd int32) {
	l := &c.link
	i, s := r.slab.take(l)
	l.slot = i
	l.loop.Store(r)
	s.stage = held
	r.stages[held].Add(1)
	client := &s.ends[0]
	client.fd = fd
	if in.tcp {
		client.set(tcp)
	} else {
		client.set(wary)
	}
	if in.guess.yes() {
		client.set(readable)
		r.fresh = in
	}
	r.ask(i, s, Events.Start)
	r.fresh = nil
	if early := l.early.Load(); early != 0 && l.slot != none {
		r.kill(l.slot, relay.Reason(early-1))
	}
}

// ask calls a method of a client's Events, and relays at once if that method began the
// relay. A panic ends the client, and no other one.
func (r *loop) ask(i int32, s *slot, method func(Events)) {
	l := r.slab.links[i]
	defer func() {
		if v := recover(); v != nil {
			r.panicked(l, v)
		}
	}()
	s.until = 0
	r.pass(s, held)
	method(l.session)
	switch {
	case l.slot == none: // the client was closed or detached
	case s.stage == held:
		panic("a session has returned and its client waits for nothing")
	case s.stage == joined && (s.ends[0].flags|s.ends[1].flags)&(headed|readable|eof|gone) != 0:
		if r.turn(i, s) {
			r.enqueue(i, s)
		}
	}
}

// panicked closes a client whose Events panicked, and calls Events.Panicked.
func (r *loop) panicked(l *link, v any) {
	stack := debug.Stack()
	if l.slot != none {
		r.close(l.slot, r.slab.at(l.slot), true)
	}
	defer func() { _ = recover() }() // nobody is left who could be told
	l.session.Panicked(v, stack)
}

// ended calls Events.Ended.
func (r *loop) ended(l *link, res relay.Result) {
	defer func() {
		if v := recover(); v != nil {
			r.panicked(l, v)
		}
	}()
	l.session.Ended(res)
}

// killed calls Events.Killed, and closes the client if that did not.
func (r *loop) killed(i int32, s *slot, reason relay.Reason) {
	l := r.slab.links[i]
	defer func() {
		if v := recover(); v != nil {
			r.panicked(l, v)
		}
	}()
	r.pass(s, held)
	l.session.Killed(reason)
	if l.slot != none {
		r.close(i, s, true)
	}
}

// attend calls the method of a client's Events that fits what has happened.
func (r *loop) attend(i int32, s *slot) {
	client := &s.ends[0]
	switch {
	case s.stage == connecting:
		r.connected(i, s)
	case s.stage == waiting && client.is(readable|failed|eof|gone):
		client.set(readable) // Recv returns the error, if there is one
		r.ask(i, s, Events.Ready)
	}
}

// dueClient looks at a client whose timer is due.
func (r *loop) dueClient(i int32, s *slot) {
	switch {
	case s.until == 0 || r.now < s.until:
		r.rearm(i, s)
	case s.stage == waiting:
		r.ask(i, s, Events.Due)
	case s.stage == connecting:
		r.answer(i, s, os.ErrDeadlineExceeded)
	}
}

// connected looks whether the upstream of a client stands, or was refused.
func (r *loop) connected(i int32, s *slot) {
	up := &s.ends[1]
	if !up.is(writable | failed) {
		return
	}
	errno := unix.Errno(0)
	if up.is(failed) {
		up.clear(failed)
		errno = socketError(up.fd)
	}
	switch {
	case errno != 0:
		r.answer(i, s, os.NewSyscallError("connect", errno))
	case !up.is(writable):
	case r.toItself(s):
		r.answer(i, s, os.NewSyscallError("connect", unix.ECONNREFUSED))
	default:
		r.answer(i, s, nil)
	}
}

// answer calls Events.Connected with the result of an attempt that was pending.
func (r *loop) answer(i int32, s *slot, err error) {
	if err != nil {
		err = dialError("tcp", s.to.addr(), err)
		r.hangUp(i, s)
	}
	r.ask(i, s, func(session Events) { session.Connected(err) })
}

// hangUp closes the upstream of a client, if it has one.
func (r *loop) hangUp(i int32, s *slot) {
	closeFD(s.ends[1].fd, false)
	s.ends[1] = newEnd()
	r.slab.links[i].counts[0].Store(0)
}

// close closes a client and its upstream and gives the slot back.
func (r *loop) close(i int32, s *slot, reset bool) {
	closeBoth(s.ends[0].fd, s.ends[1].fd, reset, reset)
	r.release(i, s)
}
