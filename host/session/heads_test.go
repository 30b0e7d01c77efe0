package session

import "testing"

func TestBuffersComeInPowersOfTwo(t *testing.T) {
	t.Parallel()
	h := new(Heads)
	a, b := h.Get(1), h.Get(3000)
	if cap(a) != 2<<10 || cap(b) != 4<<10 || h.Used() != 6<<10 {
		t.Errorf("capacities %d, %d, used %d", cap(a), cap(b), h.Used())
	}
	h.Put(a)
	h.Put(b)
	h.Put(nil)
	h.Put(make([]byte, 100))
	if h.Used() != 0 {
		t.Errorf("%d bytes are still lent", h.Used())
	}
	if new(Heads).Get(32<<20) != nil {
		t.Error("lent a buffer larger than any head")
	}
}
