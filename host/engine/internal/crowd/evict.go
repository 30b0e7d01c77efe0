package crowd

const (
	// mostLeaving is how many evicted connections may not have left yet, those that their
	// further descriptors are worth included, beyond which nobody gives way for a descriptor: it comes back only when the victim has left.
	// Until then it is one of those that the program keeps for itself.
	mostLeaving = 64
	// mostTries is how many crowds are asked for one eviction: others may have been
	// faster, or somebody else may have ended the victim already.
	mostTries = 64
	// mostLooks is how many settled connections are looked at for one that has moved
	// nothing. When all have, the first goes.
	mostLooks = 8
	// leastLead is how much more than the newcomer's crowd a crowd must hold, beside a
	// quarter, to lose a settled connection: one that is not settled.
	leastLead = heavy
)

// Evict ends a connection of the crowd that holds most, for the connection of p, which
// has joined, and returns it; nil: nobody gives way. The victim counts in no total any
// more, and must still Leave.
func (l *Ledger) Evict(m Measure, p *Place) Holder {
	if !l.ordered[m].Load() {
		l.order(m, true)
	}
	of := l.share(m, p)
	most := int64(mostLeaving)
	if limit := l.limits[m].Load(); limit > 0 && of.crowdHas > heavy*limit/large {
		most /= 2 // the rest is for others
	}
	for range mostTries {
		if m == Conns && l.leaving.Load() >= most {
			return nil
		}
		s := l.heaviest(m)
		if s == nil {
			return nil
		}
		h, again := l.evictFrom(s, m, p, of)
		if h != nil || !again {
			return h
		}
	}
	return nil
}

// share is what the crowd and the network of a newcomer hold.
type share struct {
	network          key
	crowdHas, netHas int64
}

func (l *Ledger) share(m Measure, p *Place) (of share) {
	t := &p.seats[l.role]
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	if c := t.crowd; c != nil {
		of = share{c.network.key, c.holds[m], c.network.holds[m]}
	}
	return of
}

// heaviest returns the shard with the network that holds most. Of equal ones each has its
// turn. nil: nobody holds anything.
func (l *Ledger) heaviest(m Measure) *shard {
	var (
		best  *shard
		most  uint32
		first = int(l.from.Add(1))
	)
	for i := range l.shards {
		s := &l.shards[(first+i)%len(l.shards)]
		if top := s.top[m].Load(); top > most {
			best, most = s, top
		}
	}
	return best
}

// evictFrom evicts a connection of the shard's network that holds most. again: that did
// not work, and another try may.
func (l *Ledger) evictFrom(s *shard, m Measure, p *Place, of share) (h Holder, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orders[m] == nil {
		return nil, true
	}
	n := s.orders[m].top(m)
	if n == nil {
		return nil, true
	}
	c := n.largest(m)
	victim := l.victim(c, m, p, of)
	if victim == nil {
		return nil, false
	}
	victim.seats[l.role].evicted = true
	l.leaving.Add(1 + l.beyond(victim))
	l.remove(victim)
	if !victim.holder.Evict() {
		return nil, true
	}
	return victim.holder, false
}

// victim returns who of a crowd gives way for p; nil: nobody.
func (l *Ledger) victim(c *crowd, m Measure, p *Place, of share) *Place {
	last := Unfinished
	if m == Matching {
		last = Reading
	}
	for st := Silent; st <= last; st++ {
		if m == Bytes && st == Silent {
			continue
		}
		v := c.lists[st].first
		if v == p {
			v = v.seats[l.role].next
		}
		if v != nil {
			return v
		}
	}
	if m == Conns && c.leads(m, of) {
		return l.idlest(&c.lists[Settled])
	}
	return nil
}

// leads reports whether a crowd holds so much more than that of the newcomer that it
// loses a settled connection. Crowds of one network are compared with each other, those of
// different ones by their networks.
func (c *crowd) leads(m Measure, of share) bool {
	has, than := c.network.holds[m], of.netHas
	if c.network.key == of.network {
		has, than = c.holds[m], of.crowdHas
	}
	return has > than+than/4+leastLead
}

// idlest returns the first of the oldest connections of a list that has moved nothing
// since it was looked at last. Those that have go to the end of the list.
func (l *Ledger) idlest(t *list) *Place {
	oldest := t.first
	for range mostLooks {
		p := t.first
		if p == nil {
			return nil
		}
		moved := uint32(p.holder.Moved())
		if p.seen.Swap(moved) == moved {
			return p
		}
		t.remove(l.role, p)
		t.append(l.role, p)
	}
	return oldest
}
