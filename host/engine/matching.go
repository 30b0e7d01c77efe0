package engine

import (
	"container/heap"
	"net/netip"
)

// crowds are the connections in the matching phase, by where they come from. The
// largest crowd is found at once, and in it the connection that came first.
type crowds struct {
	byHome map[netip.Prefix]*crowd
	order  crowdHeap
	n      int
	spare  *crowd // for the next home; nil: there is none
}

// crowd is the undecided connections from one place, in the order they came.
type crowd struct {
	home        netip.Prefix
	first, last *conn
	n           int
	index       int // in the heap
}

// place is where a connection stands in its crowd; crowd is nil when in none.
type place struct {
	crowd      *crowd
	prev, next *conn
}

func newCrowds() crowds { return crowds{byHome: map[netip.Prefix]*crowd{}} }

func (cs *crowds) len() int { return cs.n }

// home returns what one subscriber has: an IPv4 address, or 64 bits of IPv6. All
// clients of Unix sockets share one.
func home(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for no address: then the zero prefix is right
	return p
}

func (cs *crowds) add(x *conn) {
	if x.place.crowd != nil {
		return
	}
	at := home(x.peer.Addr())
	c := cs.byHome[at]
	if c == nil {
		c = cs.newCrowd(at)
		cs.byHome[at] = c
		heap.Push(&cs.order, c)
	}
	x.place = place{crowd: c, prev: c.last}
	if c.last == nil {
		c.first = x
	} else {
		c.last.place.next = x
	}
	c.last = x
	c.n++
	cs.n++
	heap.Fix(&cs.order, c.index)
}

func (cs *crowds) remove(x *conn) {
	c, prev, next := x.place.crowd, x.place.prev, x.place.next
	if c == nil {
		return
	}
	x.place = place{}
	if prev == nil {
		c.first = next
	} else {
		prev.place.next = next
	}
	if next == nil {
		c.last = prev
	} else {
		next.place.prev = prev
	}
	c.n--
	cs.n--
	if c.n > 0 {
		heap.Fix(&cs.order, c.index)
		return
	}
	heap.Remove(&cs.order, c.index)
	delete(cs.byHome, c.home)
	cs.spare = c
}

// newCrowd returns an empty crowd. Where clients come one at a time, each would
// otherwise make its own.
func (cs *crowds) newCrowd(home netip.Prefix) *crowd {
	c := cs.spare
	if c == nil {
		return &crowd{home: home}
	}
	cs.spare = nil
	*c = crowd{home: home}
	return c
}

// evict removes the oldest connection of the largest crowd and returns it.
func (cs *crowds) evict() *conn {
	if len(cs.order) == 0 {
		return nil
	}
	x := cs.order[0].first
	cs.remove(x)
	return x
}

// crowdHeap has the largest crowd on top, and of equal ones that with the oldest
// connection.
type crowdHeap []*crowd

func (h crowdHeap) Len() int { return len(h) }

func (h crowdHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	if a.n != b.n || a.first == nil || b.first == nil {
		return a.n > b.n
	}
	return a.first.ID() < b.first.ID()
}

func (h crowdHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for package heap.
func (h *crowdHeap) Push(c any) {
	crowd := c.(*crowd)
	crowd.index = len(*h)
	*h = append(*h, crowd)
}

// Pop is for package heap.
func (h *crowdHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return c
}
