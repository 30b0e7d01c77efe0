package session

import (
	"bytes"
	"errors"
	"os"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// head is the bytes of a connection that were received and not consumed, as matchers
// see them. Bytes are received into what room returns, and added by received. A conn
// that Wrap made has another head.
type head struct {
	flow sdk.Flow

	buf []byte // borrowed from Heads; flow.Head is its end
	off int    // bytes at the beginning of buf that were discarded
	end error  // what ended the stream: io.EOF, a reset

	left []byte // what the head had when a relay took over, for those who read through Net

	heard bool // a byte was received

	phased   bool      // a matching phase has begun on this head
	deadline time.Time // of the matching phase; the zero time: none
}

// room returns space to receive into, on the way to a head of n bytes in all: what
// comes is received in several steps, so that a client is lent what it has filled, and
// not what it has announced. The error is why the head cannot have n bytes: ErrFull,
// ErrNoMemory, or how the stream ended.
func (h *head) room(s *Session, n int) ([]byte, error) {
	switch {
	case n > h.flow.MaxHead || len(h.flow.Head) >= h.flow.MaxHead:
		return nil, host.ErrFull
	case h.end != nil:
		return nil, h.end
	case !h.grow(s):
		return nil, host.ErrNoMemory
	}
	return h.buf[len(h.buf):min(cap(h.buf), h.off+h.flow.MaxHead)], nil
}

// grow makes space for one more byte at least, and lends no more than twice what the head
// has. It reports whether there is memory for that.
func (h *head) grow(s *Session) bool {
	if len(h.buf) < cap(h.buf) {
		return true
	}
	b := s.borrow(min(2*len(h.flow.Head), h.flow.MaxHead))
	if b == nil {
		return false
	}
	b = append(b, h.flow.Head...)
	s.giveBack(h.buf)
	h.buf, h.off, h.flow.Head = b, 0, b
	return true
}

// received adds n bytes that were received into room; n and err are as Read returns
// them. It returns err if n is 0.
func (h *head) received(n int, err error) error {
	h.buf = h.buf[:len(h.buf)+n]
	h.heard = h.heard || n > 0
	h.flow.Head = h.buf[h.off:]
	if err == nil {
		return nil
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		h.end = err
	}
	if n > 0 {
		return nil // room returns the error when the routes need more
	}
	return err
}

// idle gives back the buffer of an empty head, while the client is silent.
func (h *head) idle(s *Session) {
	if len(h.flow.Head) == 0 {
		h.release(s)
	}
}

// discard consumes n bytes of the head. A matching phase behind them has all its time.
func (h *head) discard(s *Session, n int) {
	n = min(n, len(h.flow.Head))
	h.phased = h.phased && n == 0
	h.off += n
	h.flow.Rehead(h.buf[h.off:])
	if len(h.flow.Head) == 0 {
		h.release(s)
	}
}

// keep copies what the head has, for whoever reads through Net after release.
func (h *head) keep() {
	if len(h.flow.Head) > 0 {
		h.left = bytes.Clone(h.flow.Head)
	}
}

// release gives the buffer back.
func (h *head) release(s *Session) {
	s.giveBack(h.buf)
	h.buf, h.off = nil, 0
	h.flow.Rehead(nil)
}

// await sets the deadline of a matching phase that begins at now to d later; 0 means
// none. Without own, a phase on a head that has had one before keeps the deadline of
// that phase.
func (h *head) await(now time.Time, d time.Duration, own bool) {
	if !own && h.phased {
		return
	}
	h.phased, h.deadline = true, time.Time{}
	if d > 0 {
		h.deadline = now.Add(d)
	}
}
