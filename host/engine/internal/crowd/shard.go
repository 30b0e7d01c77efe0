package crowd

import (
	"sync"
	"sync/atomic"
)

// heavy is how many settled connections one that is not settled weighs.
const heavy = 4

// network is neighbouring crowds, and what they hold together.
type network struct {
	key    key
	crowds *crowd // a list
	spare  *network
	holds  [measures]int64
	ranks  [measures]rank
}

// crowd is the connections of one client.
type crowd struct {
	key        key
	network    *network
	prev, next *crowd // of the network
	lists      [standings]list
	holds      [measures]int64
	conns      int
}

// list has places in the order in which they came to it.
type list struct{ first, last *Place }

// shard is the part of a ledger for some networks.
type shard struct {
	mu         sync.Mutex
	crowds     map[key]*crowd
	networks   map[key]*network
	peak       int                     // most crowds since the maps were made
	orders     [measures]*order        // nil: nobody has had to give way yet, or not for long
	top        [measures]atomic.Uint32 // the highest class of an order; 0: there is none
	idle       *crowd                  // crowds for the next clients, linked by next
	idleNets   *network                // networks, linked by spare
	idles      int
	idleNetsNo int
	_          [64]byte // keeps the lock of the next shard out of this cache line
}

const (
	// mostIdle is how many empty crowds and networks a shard keeps: clients that come one
	// at a time would otherwise allocate.
	mostIdle = 16
	// largeMap is from how many crowds on the maps are made anew once they are empty, as
	// maps never shrink.
	largeMap = 1024
)

// at returns the crowd of a client, with its network.
func (s *shard) at(of, in key) *crowd {
	if c := s.crowds[of]; c != nil {
		return c
	}
	if s.crowds == nil {
		s.crowds, s.networks = map[key]*crowd{}, map[key]*network{}
	}
	n := s.networks[in]
	if n == nil {
		n = s.newNetwork(in)
		s.networks[in] = n
	}
	c := s.newCrowd(of)
	c.network, c.next = n, n.crowds
	if n.crowds != nil {
		n.crowds.prev = c
	}
	n.crowds = c
	s.crowds[of] = c
	s.peak = max(s.peak, len(s.crowds))
	return c
}

func (s *shard) newCrowd(of key) *crowd {
	c := s.idle
	if c == nil {
		return &crowd{key: of}
	}
	s.idle, c.next = c.next, nil
	s.idles--
	c.key = of
	return c
}

func (s *shard) newNetwork(of key) *network {
	n := s.idleNets
	if n == nil {
		return &network{key: of}
	}
	s.idleNets, n.spare = n.spare, nil
	s.idleNetsNo--
	n.key = of
	return n
}

// drop forgets a crowd without connections.
func (s *shard) drop(c *crowd) {
	n := c.network
	if c.prev == nil {
		n.crowds = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	delete(s.crowds, c.key)
	c.network, c.prev, c.next = nil, nil, nil
	if s.idles < mostIdle {
		c.next, s.idle = s.idle, c
		s.idles++
	}
	if n.crowds != nil {
		return
	}
	delete(s.networks, n.key)
	if s.idleNetsNo < mostIdle {
		n.spare, s.idleNets = s.idleNets, n
		s.idleNetsNo++
	}
	if len(s.crowds) == 0 && s.peak >= largeMap {
		s.crowds, s.networks, s.peak = nil, nil, 0
	}
}

// add changes what a crowd and its network hold.
func (s *shard) add(c *crowd, m Measure, by int64) {
	n := c.network
	c.holds[m] += by
	n.holds[m] += by
	if o := s.orders[m]; o != nil && by != 0 {
		s.rank(o, n, m)
	}
}

// rank brings a network to where it belongs in an order.
func (s *shard) rank(o *order, n *network, m Measure) {
	to := class(m.units(n.holds[m]))
	if n.ranks[m].class == to {
		return
	}
	if n.ranks[m].class != 0 {
		o.take(m, n)
	}
	if to != 0 {
		o.put(m, n, to)
	}
	if top := uint32(o.highest()); top != s.top[m].Load() {
		s.top[m].Store(top)
	}
}

// order makes the order of a measure, unless there is one.
func (s *shard) order(m Measure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orders[m] != nil {
		return
	}
	s.orders[m] = new(order)
	for _, n := range s.networks {
		s.rank(s.orders[m], n, m)
	}
}

// disorder forgets the order of a measure.
func (s *shard) disorder(m Measure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[m] = nil
	s.top[m].Store(0)
	for _, n := range s.networks {
		n.ranks[m] = rank{}
	}
}

// shift changes what a crowd holds by what a connection of one standing weighs more than
// one of another.
func (s *shard) shift(c *crowd, from, to Standing) {
	s.add(c, Conns, to.weight()-from.weight())
	s.add(c, Matching, to.undecided()-from.undecided())
}

// weight returns what a connection weighs among those of its crowd.
func (t Standing) weight() int64 {
	switch t {
	case standings:
		return 0
	case Settled:
		return 1
	}
	return heavy
}

// undecided returns 1 for a connection whose routes are being tried.
func (t Standing) undecided() int64 {
	if t < Unfinished {
		return 1
	}
	return 0
}

// largest returns the crowd of the network that holds most.
func (n *network) largest(m Measure) *crowd {
	most := n.crowds
	for c := n.crowds; c != nil; c = c.next {
		if c.holds[m] > most.holds[m] {
			most = c
		}
	}
	return most
}

// append puts p at the end of the list.
func (t *list) append(role int, p *Place) {
	s := &p.seats[role]
	s.prev, s.next = t.last, nil
	if t.last == nil {
		t.first = p
	} else {
		t.last.seats[role].next = p
	}
	t.last = p
}

// remove takes p out of the list.
func (t *list) remove(role int, p *Place) {
	s := &p.seats[role]
	if s.prev == nil {
		t.first = s.next
	} else {
		s.prev.seats[role].next = s.next
	}
	if s.next == nil {
		t.last = s.prev
	} else {
		s.next.seats[role].prev = s.prev
	}
	s.prev, s.next = nil, nil
}
