package crowd

import "math/bits"

// classes is how many sizes are told apart.
const classes = 256

// class returns the class of a size: the size itself below 16, and then eight classes for
// each doubling.
func class(size int64) uint16 {
	switch {
	case size <= 0:
		return 0
	case size < 16:
		return uint16(size)
	}
	e := bits.Len64(uint64(size)) - 4
	return uint16(min(16+(e-1)*8+int(size>>e)-8, classes-1))
}

// order has networks by the class of what they hold. Those that hold nothing are not in
// it.
type order struct {
	last [classes]*network // of a ring, by class; nil: the class is empty
	used [classes / 64]uint64
}

// rank is where a network stands in an order.
type rank struct {
	prev, next *network
	class      uint16 // 0: not in the order
}

// put adds n as the last one of its class.
func (o *order) put(m Measure, n *network, class uint16) {
	r := &n.ranks[m]
	r.class = class
	last := o.last[class]
	if last == nil {
		r.prev, r.next = n, n
		o.used[class/64] |= 1 << (class % 64)
	} else {
		first := last.ranks[m].next
		r.prev, r.next = last, first
		last.ranks[m].next, first.ranks[m].prev = n, n
	}
	o.last[class] = n
}

// take removes n.
func (o *order) take(m Measure, n *network) {
	r := n.ranks[m]
	n.ranks[m] = rank{}
	if r.next == n {
		o.last[r.class] = nil
		o.used[r.class/64] &^= 1 << (r.class % 64)
		return
	}
	r.prev.ranks[m].next, r.next.ranks[m].prev = r.next, r.prev
	if o.last[r.class] == n {
		o.last[r.class] = r.prev
	}
}

// highest returns the highest class that is not empty; 0: all are.
func (o *order) highest() uint16 {
	for w := len(o.used) - 1; w >= 0; w-- {
		if o.used[w] != 0 {
			return uint16(w*64 + bits.Len64(o.used[w]) - 1)
		}
	}
	return 0
}

// top returns the network that has been in the highest class for longest; nil: there is
// none.
func (o *order) top(m Measure) *network {
	if c := o.highest(); c > 0 {
		return o.last[c].ranks[m].next
	}
	return nil
}
