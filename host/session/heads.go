package session

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Heads lends buffers for the heads of connections. Their sizes are powers of two. The
// zero value is ready; any goroutine may call its methods. How much may be lent is the
// business of each session's [Owner].
type Heads struct {
	used  atomic.Int64
	pools [maxClass - minClass + 1]sync.Pool // by class: *[1<<minClass]byte, and *[]byte of larger ones

	setups sync.Pool // of *setup
}

const (
	minClass = 11 // 2 KiB: most first flights
	maxClass = 24 // 16 MiB: more than any max_head
)

// sizeClass returns the class of the buffers for size bytes.
func sizeClass(size int) int { return max(bits.Len(uint(max(size, 1)-1)), minClass) }

// Get returns an empty buffer with a capacity of at least size bytes, or nil if no head
// can be that large.
func (h *Heads) Get(size int) []byte {
	class := sizeClass(size)
	if class > maxClass {
		return nil
	}
	h.used.Add(1 << class)
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
	if class == minClass { // a pointer to an array goes into the pool without an allocation
		h.pools[0].Put((*[1 << minClass]byte)(b[:cap(b)]))
		return
	}
	large := b
	h.pools[class-minClass].Put(&large)
}

// Used returns how many bytes are lent.
func (h *Heads) Used() int64 { return h.used.Load() }

// borrow returns an empty buffer for size bytes that the session holds until giveBack;
// nil: there is no memory for it.
func (s *Session) borrow(size int) []byte {
	n := 1 << sizeClass(size)
	if !s.owner.Charge(n) {
		return nil
	}
	b := s.env.Heads.Get(size)
	if b == nil {
		s.owner.Charge(-n)
	}
	return b
}

// giveBack takes back what borrow returned; of nil it does nothing.
func (s *Session) giveBack(b []byte) {
	if b != nil {
		s.env.Heads.Put(b)
		s.owner.Charge(-cap(b))
	}
}

// retire keeps a setup for another session, with the memory of its parsed values.
func (h *Heads) retire(u *setup) {
	flow, facts, trail, way := u.flow, u.facts, u.trail, u.way
	flow.Reset()
	facts.Reset()
	trail.Reset()
	way.Reset()
	*u = setup{head: head{flow: flow}, facts: facts, trail: trail, way: way}
	h.setups.Put(u)
}
