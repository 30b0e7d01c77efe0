package session

import "testing"

func TestBuffersComeInPowersOfTwoWithinTheirLimit(t *testing.T) {
	t.Parallel()
	h := NewHeads(8 << 10)
	a, b := h.Get(1), h.Get(3000)
	if cap(a) != 2<<10 || cap(b) != 4<<10 || h.Used() != 6<<10 {
		t.Errorf("capacities %d, %d, used %d", cap(a), cap(b), h.Used())
	}
	if c := h.Get(4 << 10); c != nil {
		t.Error("lent beyond the limit")
	}
	h.Put(a)
	h.Put(b)
	h.Put(nil)
	h.Put(make([]byte, 100))
	if h.Used() != 0 {
		t.Errorf("%d bytes are still lent", h.Used())
	}
	if NewHeads(1<<40).Get(32<<20) != nil {
		t.Error("lent a buffer larger than any head")
	}
}
