package relay

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
)

// half is one direction of a link and the goroutine that serves it.
type half struct {
	l        *link
	src, dst *side
	in       source       // where src is read: raw or wrapped
	raw      rawSource    // of a plain socket
	wrapped  connSource   // of any other connection
	head     []byte       // of src, written to dst first
	n        atomic.Int64 // bytes written to dst
	writing  atomic.Bool  // dst.Write is being called

	// Guarded by Link.mu.
	finished bool // src ended in order and everything was written to dst
	shut     bool // dst was told that src has finished
	cut      bool // bytes of src were read and not written
}

// join makes h the half of l that reads src and writes dst.
func (h *half) join(l *link, src, dst *side) {
	h.l, h.src, h.dst = l, src, dst
	if canReceive && src.raw != nil && src.socket == src.conn {
		h.raw.init(src)
		h.in = &h.raw
		return
	}
	h.wrapped.conn = src.conn
	h.in = &h.wrapped
}

// run is the goroutine of the half.
func (h *half) run() {
	defer h.l.leave()
	defer h.contain()
	if h.src.conn == nil || h.dst.conn == nil {
		return
	}
	if h.deliver(h.head) && h.pump() && h.finish() {
		h.watch()
	}
}

// contain ends this link, and no other one, if a connection panicked.
func (h *half) contain() {
	v := recover()
	if v == nil {
		return
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.cut = true
	h.l.broke(h.src, fmt.Errorf("relaying from %v: %w: %v\n%s", h.src.name, ErrPanic, v, debug.Stack()))
	h.src.wakeReader()
}

// pump copies until src ends, and reports whether src ended in order and dst got
// everything.
func (h *half) pump() bool {
	h.head = nil
	for {
		b, err := h.in.read()
		ok := h.deliver(b)
		h.in.release()
		if !ok {
			return false
		}
		if err != nil {
			return h.ended(err)
		}
	}
}

// deliver writes b to dst and reports whether dst took all of it.
func (h *half) deliver(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	h.l.touch()
	h.writing.Store(true)
	n, err := h.dst.conn.Write(b)
	h.writing.Store(false)
	h.n.Add(int64(n))
	h.l.touch()
	if err == nil {
		return true
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.cut = true
	h.l.broke(h.dst, fmt.Errorf("writing to %v: %w", h.dst.name, err))
	return false
}

// ended looks at the error that ended src and reports whether that was the end of the
// stream.
func (h *half) ended(err error) bool {
	if errors.Is(err, io.EOF) {
		if !h.src.wasReset() {
			return true
		}
		err = errReset // the other half, writing, was told first
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if !h.dst.gone.Load() { // otherwise the read was woken because dst broke
		h.l.broke(h.src, fmt.Errorf("reading from %v: %w", h.src.name, err))
	}
	return false
}

// finish tells dst that src has finished, and reports whether the link goes on.
func (h *half) finish() bool {
	if !h.beginFinish() {
		return false
	}
	err := h.dst.closeWrite()
	l := h.l
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		l.policy.Mute = true
		l.rearm()
	case err != nil:
		l.broke(h.dst, fmt.Errorf("finishing towards %v: %w", h.dst.name, err))
		return false
	}
	h.shut = true
	if l.halves[0].shut && l.halves[1].shut {
		l.stop(l.policy.First, Finished)
	}
	return !l.ended
}

// beginFinish notes that src has finished, and reports whether dst is to be told: not
// if the link is ending or dst broke.
func (h *half) beginFinish() bool {
	l := h.l
	l.mu.Lock()
	defer l.mu.Unlock()
	h.finished = true
	if l.ended || h.dst.gone.Load() {
		return false
	}
	l.policy.Finish(l.age(), h.src.name)
	h.dst.shut.Store(true)
	l.touch()
	l.rearm()
	return true
}

// watch waits, after the end of src, until src is reset or the link ends. Only the
// other half uses src then, and may not write for a long time.
func (h *half) watch() {
	if !h.src.awaitReset() {
		return
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.l.broke(h.src, errReset)
}
