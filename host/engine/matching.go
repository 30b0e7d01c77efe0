package engine

import (
	"container/heap"
	"net/netip"
)

// crowds are the undecided connections, grouped by the network they come from. The
// largest crowd and its oldest connection are found without a search.
type crowds struct {
	byHome map[netip.Prefix]*crowd
	order  crowdHeap
	n      int
	spare  *crowd // an empty crowd to use next; nil: none
}

// crowd is the undecided connections of one address, or one /64 of IPv6, in the order
// they were accepted.
type crowd struct {
	home        netip.Prefix
	first, last *conn
	n           int
	index       int // in crowds.order
}

// position is where a connection stands in its crowd; crowd is nil for a connection
// in none.
type position struct {
	crowd      *crowd
	prev, next *conn
}

func newCrowds() crowds { return crowds{byHome: map[netip.Prefix]*crowd{}} }

func (cs *crowds) len() int { return cs.n }

// home returns the network of one subscriber: an IPv4 address, or 64 bits of IPv6.
// All clients of Unix sockets share one.
func home(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for no address: then the zero prefix is right
	return p
}

func (cs *crowds) add(x *conn) {
	if x.position.crowd != nil {
		return
	}
	at := home(x.peer.Addr())
	c := cs.byHome[at]
	if c == nil {
		c = cs.newCrowd(at)
		cs.byHome[at] = c
		heap.Push(&cs.order, c)
	}
	x.position = position{crowd: c, prev: c.last}
	if c.last == nil {
		c.first = x
	} else {
		c.last.position.next = x
	}
	c.last = x
	c.n++
	cs.n++
	heap.Fix(&cs.order, c.index)
}

func (cs *crowds) remove(x *conn) {
	c, prev, next := x.position.crowd, x.position.prev, x.position.next
	if c == nil {
		return
	}
	x.position = position{}
	if prev == nil {
		c.first = next
	} else {
		prev.position.next = next
	}
	if next == nil {
		c.last = prev
	} else {
		next.position.prev = prev
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

// newCrowd returns an empty crowd, the spare one first: clients that come one at a
// time would otherwise allocate one each.
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

// crowdHeap has the largest crowd on top; of equal crowds, the one with the oldest
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

// Push implements [heap.Interface].
func (h *crowdHeap) Push(c any) {
	crowd := c.(*crowd)
	crowd.index = len(*h)
	*h = append(*h, crowd)
}

// Pop implements [heap.Interface].
func (h *crowdHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return c
}
