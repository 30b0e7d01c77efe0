package session

import (
	"errors"
	"os"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// head is the first bytes of a connection, or of what a handler made of it, as its
// matchers see them. Whoever receives puts the bytes into room and tells received.
type head struct {
	flow sdk.Flow

	buf []byte // flow.Head lies in it; borrowed
	off int    // bytes of buf that were discarded
	end error  // what ended the stream: io.EOF, a reset

	phased   bool      // a matching phase began on these bytes
	deadline time.Time // of that phase; zero: none
}

// room returns where received bytes go so that the head can have n in all.
// Otherwise it returns why it cannot have them: ErrFull, ErrNoMemory, or how the
// stream ended.
func (h *head) room(from *Heads, n int) ([]byte, error) {
	switch {
	case n > h.flow.MaxHead || len(h.flow.Head) >= h.flow.MaxHead:
		return nil, host.ErrFull
	case h.end != nil:
		return nil, h.end
	case !h.grow(from, n):
		return nil, host.ErrNoMemory
	}
	return h.buf[len(h.buf):min(cap(h.buf), h.off+h.flow.MaxHead)], nil
}

// grow makes place for n head bytes and at least one more than there are.
func (h *head) grow(from *Heads, n int) bool {
	if len(h.buf) < cap(h.buf) && h.off+n <= cap(h.buf) {
		return true
	}
	want := min(max(n, 2*len(h.flow.Head)), h.flow.MaxHead)
	b := from.Get(want)
	if b == nil {
		return false
	}
	b = append(b, h.flow.Head...)
	from.Put(h.buf)
	h.buf, h.off, h.flow.Head = b, 0, b
	return true
}

// received adds the n bytes that were received into room, as Read would return them
// with err. It returns err where no byte came before the error.
func (h *head) received(n int, err error) error {
	h.buf = h.buf[:len(h.buf)+n]
	h.flow.Head = h.buf[h.off:]
	if err == nil {
		return nil
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		h.end = err
	}
	if n > 0 {
		return nil // the error is told when the head has been looked at
	}
	return err
}

// idle gives the place of a head without a byte back, while nothing comes.
func (h *head) idle(to *Heads) {
	if len(h.flow.Head) == 0 {
		h.release(to)
	}
}

// discard eats n bytes.
func (h *head) discard(to *Heads, n int) {
	n = min(n, len(h.flow.Head))
	h.off += n
	h.flow.Rehead(h.buf[h.off:])
	if len(h.flow.Head) == 0 {
		h.release(to)
	}
}

// release gives the buffer back.
func (h *head) release(to *Heads) {
	if h.buf != nil {
		to.Put(h.buf)
	}
	h.buf, h.off = nil, 0
	h.flow.Rehead(nil)
}

// await begins a matching phase at now that ends within d; 0 is without end. Unless
// it is a phase of its own, a phase on bytes that have had one takes over what is
// left of that one's time.
func (h *head) await(now time.Time, d time.Duration, own bool) {
	if !own && h.phased {
		return
	}
	h.phased, h.deadline = true, time.Time{}
	if d > 0 {
		h.deadline = now.Add(d)
	}
}
