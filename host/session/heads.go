package session

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Heads lends the buffers that hold the first bytes of connections, of sizes that
// are powers of two, and bounds their sum. Make one with [NewHeads].
type Heads struct {
	limit int64
	used  atomic.Int64
	pools [maxClass - minClass + 1]sync.Pool // of arrays, and *[]byte where they are larger

	setups sync.Pool // of *setup
}

const (
	minClass = 11 // 2 KiB: most first flights
	maxClass = 24 // 16 MiB: more than any max_head
)

// NewHeads returns buffers of at most limit bytes in all.
func NewHeads(limit int64) *Heads { return &Heads{limit: limit} }

// Get returns an empty buffer with a capacity of at least size bytes, or nil if
// that would exceed the limit or no head can be that large.
func (h *Heads) Get(size int) []byte {
	class := max(bits.Len(uint(max(size, 1)-1)), minClass)
	if class > maxClass {
		return nil
	}
	if h.used.Add(1<<class) > h.limit {
		h.used.Add(-1 << class)
		return nil
	}
	switch b := h.pools[class-minClass].Get().(type) {
	case *[1 << minClass]byte:
		return b[:0]
	case *[]byte:
		return (*b)[:0]
	}
	return make([]byte, 0, 1<<class)
}

// Put takes back what Get returned. The caller keeps no part of it.
func (h *Heads) Put(b []byte) {
	class := bits.Len(uint(cap(b))) - 1
	if cap(b) == 0 || cap(b) != 1<<class || class < minClass || class > maxClass {
		return
	}
	h.used.Add(-1 << class)
	if class == minClass { // as an array it costs no allocation
		h.pools[0].Put((*[1 << minClass]byte)(b[:cap(b)]))
		return
	}
	large := b
	h.pools[class-minClass].Put(&large)
}

// Used returns how many bytes are lent.
func (h *Heads) Used() int64 { return h.used.Load() }

// setup returns what a session is set up with.
func (h *Heads) setup() *setup {
	if u, ok := h.setups.Get().(*setup); ok {
		return u
	}
	return new(setup)
}

// retire takes a setup back, for another session.
func (h *Heads) retire(u *setup) {
	flow, facts := u.flow, u.facts
	flow.Reset()
	facts.Reset()
	*u = setup{head: head{flow: flow}, facts: facts}
	h.setups.Put(u)
}
