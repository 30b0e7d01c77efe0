package load

import (
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/epoll"
)

// short is the part of Short.
type short struct {
	*run
	Short
	owner   int32
	slots   []shortSlot
	idle    []int32 // slots without a connection
	begun   int
	ended   int
	scanned time.Time // when slots were last looked at for those that got no answer
	counts  counts
}

// shortSlot is one connection at a time.
type shortSlot struct {
	fd, got int
	sent    bool
	at      time.Time
}

const waiting = unix.EPOLLIN | unix.EPOLLRDHUP

func (s *short) fill() error {
	if s.slots == nil {
		s.slots, s.idle = make([]shortSlot, s.InFlight), make([]int32, s.InFlight)
		for i := range s.idle {
			s.slots[i].fd, s.idle[i] = -1, int32(i)
		}
		s.scanned = s.now
	}
	if s.now.Sub(s.scanned) > patience/4 {
		s.scanned = s.now
		s.giveUp()
	}
	for len(s.idle) > 0 && (s.Count == 0 || s.begun < s.Count) {
		if err := s.open(); err != nil {
			return err
		}
	}
	return nil
}

// open connects in an idle slot and sends.
func (s *short) open() error {
	s.begun++
	at := time.Now()
	fd, err := s.dial()
	if err != nil {
		return err // of this machine, not of the proxy: no ports, no descriptors
	}
	slot := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	s.slots[slot] = shortSlot{fd: fd, at: at}
	s.send(slot)
	c := &s.slots[slot]
	if c.fd < 0 {
		return nil
	}
	events := uint32(waiting)
	if !c.sent {
		events = unix.EPOLLOUT
	}
	return s.poller.Add(fd, s.owner, slot, events)
}

// send writes all there is to send, which a new socket always has room for.
func (s *short) send(slot int32) {
	c := &s.slots[slot]
	n, errno := epoll.Write(c.fd, s.First)
	switch {
	case epoll.Blocked(errno):
	case errno != 0 || n < len(s.First):
		s.counts.fail("sending", errno)
		s.close(slot)
	default:
		c.sent = true
	}
}

func (s *short) event(slot int32, events uint32) error {
	c := &s.slots[slot]
	if c.fd < 0 {
		return nil
	}
	if !c.sent {
		if s.send(slot); c.sent {
			return s.poller.Modify(c.fd, s.owner, slot, waiting)
		}
		return nil
	}
	n, errno := epoll.Read(c.fd, s.buffer)
	switch {
	case epoll.Blocked(errno):
	case errno != 0 || n == 0 && c.got < s.Answer:
		s.counts.fail("waiting for the answer", errno)
		s.close(slot)
	default:
		s.took(slot, n, n == 0 || events&unix.EPOLLRDHUP != 0)
	}
	return nil
}

// took counts n bytes of an answer, which are in the buffer; ended says that the
// stream ends with them.
func (s *short) took(slot int32, n int, ended bool) {
	c := &s.slots[slot]
	if c.got == 0 {
		if s.measuring {
			s.counts.latency.Add(s.now.Sub(c.at))
		}
		s.counts.check(s.Expect, s.buffer[:n])
	}
	c.got += n
	if c.got < s.Answer || !ended {
		return
	}
	if s.measuring {
		s.counts.Done++
	}
	s.close(slot)
}

// giveUp closes what got no answer.
func (s *short) giveUp() {
	for i, c := range s.slots {
		if c.fd >= 0 && s.now.Sub(c.at) > patience {
			s.counts.fail("waiting for the answer", unix.ETIMEDOUT)
			s.close(int32(i))
		}
	}
}

func (s *short) close(slot int32) {
	epoll.Close(s.slots[slot].fd)
	s.slots[slot].fd = -1
	s.idle = append(s.idle, slot)
	s.ended++
}

func (s *short) done() bool { return s.ended >= s.Count }

func (s *short) end(sample *Sample) {
	for _, c := range s.slots {
		if c.fd >= 0 {
			epoll.Abort(c.fd)
		}
	}
	sample.Short = s.counts.report()
}
