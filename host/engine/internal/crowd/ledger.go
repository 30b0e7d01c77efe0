package crowd

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// Measure is something that a ledger bounds.
type Measure uint8

// The measures.
const (
	Conns    Measure = iota // connections; crowds are compared by their weight
	Matching                // connections whose routes are being tried
	Bytes                   // memory that connections hold before they are relayed
	measures
)

// units returns a size in the units of the classes.
func (m Measure) units(size int64) int64 {
	if m == Bytes {
		return (size + 255) >> 8
	}
	return size
}

// Standing is how far a connection has come, and so how soon it gives way.
type Standing uint8

// The standings, in the order in which they give way.
const (
	Silent     Standing = iota // undecided, and holds no bytes
	Reading                    // undecided, and holds bytes
	Unfinished                 // decided, and holds bytes: a handshake, a connect
	Settled                    // decided, and holds no bytes
	standings                  // how many there are, and the standing of who has none
)

// The roles that a ledger can have for a connection, which may be in one of each.
const (
	Whole  = iota // of all connections
	Server        // of those of a server, which counts no bytes and no descriptors
	roles
)

// PerConnection is how many descriptors an ordinary connection holds at most: the client's
// and the upstream's.
const PerConnection = 2

// Holder is a connection.
type Holder interface {
	// Evict ends the connection because it gives way, and reports whether nobody had
	// ended it before. It must not wait, and must not call the ledger.
	Evict() bool
	// Moved returns how many bytes were relayed so far.
	Moved() int64
}

// Place is the part of a connection that ledgers need. Nobody may copy a Place.
type Place struct {
	holder Holder
	bytes  int64         // guarded by the shard of Whole
	extra  int           // descriptors beyond PerConnection; guarded by the shard of Whole
	seen   atomic.Uint32 // the lower bits of Moved at the last look
	seats  [roles]seat
}

// seat is where a place stands in one ledger. Its shard is set once; the rest is guarded
// by that shard.
type seat struct {
	shard      *shard // nil: not in a ledger
	crowd      *crowd // nil: the connection was evicted or has left
	prev, next *Place
	standing   Standing
	evicted    bool
}

// Init makes p the place of a connection. It comes before everything else.
func (p *Place) Init(h Holder) { p.holder = h }

// Ledger is an account of connections by crowd. Make one with [New]; any goroutine may
// call its methods, those with a Place one at a time for each place.
type Ledger struct {
	role   int
	shards []shard
	levels atomic.Pointer[Levels]
	from   atomic.Uint32 // which shard is asked first

	limits  [measures]atomic.Int64 // 0: none
	totals  [measures]atomic.Int64 // of those that were not evicted
	leaving atomic.Int64           // evicted connections that have not left
	held    atomic.Int64           // bytes, those of evicted connections included
	crowds  atomic.Int64

	ordering sync.Mutex            // one change of ordered at a time
	ordered  [measures]atomic.Bool // the shards keep their networks in the order of a measure
}

// New returns an empty ledger without limits.
func New(role, shards int) *Ledger {
	l := &Ledger{role: role, shards: make([]shard, shards)}
	l.SetLevels(DefaultLevels())
	return l
}

// Limit sets the limit of a measure; 0: none. What is held stays.
func (l *Ledger) Limit(m Measure, n int64) { l.limits[m].Store(n) }

// Most returns the limit of a measure; 0: none.
func (l *Ledger) Most(m Measure) int64 { return l.limits[m].Load() }

// SetLevels sets what makes a crowd, for connections that join from now on.
func (l *Ledger) SetLevels(v Levels) { l.levels.Store(&v) }

// Crowd returns the crowd of an address; the zero value for clients without one.
func (l *Ledger) Crowd(a netip.Addr) netip.Prefix { return l.levels.Load().Crowd(a) }

// Total returns how much of a measure is used.
func (l *Ledger) Total(m Measure) int64 { return l.totals[m].Load() }

// Held returns how many bytes are held, also by evicted connections that have not left.
func (l *Ledger) Held() int64 { return l.held.Load() }

// Crowds returns how many crowds there are.
func (l *Ledger) Crowds() int64 { return l.crowds.Load() }

// Full reports whether more of a measure is used than its limit. Of evicted connections
// that have not left, as many are borne as descriptors were put by for. Full also has the
// crowds put in order, for Evict, and no more kept in order when half of the
// limit is free, or there is none.
func (l *Ledger) Full(m Measure) bool {
	limit := l.limits[m].Load()
	switch used, ordered := l.totals[m].Load(), l.ordered[m].Load(); {
	case ordered && (limit == 0 || used < limit/2):
		l.order(m, false)
	case !ordered && limit > 0 && used > limit:
		l.order(m, true)
	}
	used := l.totals[m].Load() // again: others may have made room meanwhile
	if m == Conns {
		used += max(l.leaving.Load()-mostLeaving, 0)
	}
	return limit > 0 && used > limit
}

// order has the shards keep their networks in the order of a measure, or no more. Only who
// looks for the largest needs the order, and keeping it is most of what a connection would
// cost: it is made when a limit is first reached, and kept until half of the limit is free.
func (l *Ledger) order(m Measure, keep bool) {
	l.ordering.Lock()
	defer l.ordering.Unlock()
	if l.ordered[m].Load() == keep {
		return
	}
	for i := range l.shards {
		if keep {
			l.shards[i].order(m)
		} else {
			l.shards[i].disorder(m)
		}
	}
	l.ordered[m].Store(keep)
}

// Join counts a connection in as Silent, unless its crowd has most connections already;
// 0: no bound.
func (l *Ledger) Join(p *Place, from netip.Addr, most int) bool {
	of, in := l.levels.Load().keys(from)
	s := &l.shards[in.hash()%uint64(len(l.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.at(of, in)
	if most > 0 && c.conns >= most {
		return false // at least one is there: the crowd is not a new one
	}
	if c.conns == 0 {
		l.crowds.Add(1)
	}
	c.conns++
	p.seats[l.role] = seat{shard: s, crowd: c}
	c.lists[Silent].append(l.role, p)
	s.shift(c, standings, Silent)
	l.totals[Conns].Add(1)
	l.totals[Matching].Add(1)
	return true
}

// Decide notes that the routes of a connection are not tried any more. It may be called
// again.
func (l *Ledger) Decide(p *Place) {
	t := &p.seats[l.role]
	if t.shard == nil {
		return
	}
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	if t.crowd == nil || t.standing >= Unfinished {
		return
	}
	l.pass(p, Settled-t.standing)
	l.totals[Matching].Add(-1)
}

// pass brings a connection to another standing. The lock is held.
func (l *Ledger) pass(p *Place, to Standing) {
	t := &p.seats[l.role]
	if t.standing == to {
		return
	}
	c := t.crowd
	c.lists[t.standing].remove(l.role, p)
	c.lists[to].append(l.role, p)
	t.shard.shift(c, t.standing, to)
	t.standing = to
}

const (
	// slack is how much more than their limit the bytes can be, for as long as evicted
	// connections have not left: a fraction of the limit.
	slack = 4
	// large is from which fraction of a limit on a crowd has no part in the second half of
	// what is put by for evicted connections that have not left. Whoever comes again and
	// again to evict connections of its own crowd leaves that half to others.
	large = 16
)

// Charge counts bytes that a connection holds from now on, or with a negative n has given
// back. It reports whether there is room for them; what makes room is Evict's.
func (l *Ledger) Charge(p *Place, n int) bool {
	limit := l.limits[Bytes].Load()
	if held := l.held.Add(int64(n)); n > 0 && limit > 0 && held > limit+limit/slack {
		l.held.Add(-int64(n))
		return false
	}
	t := &p.seats[l.role]
	if t.shard == nil {
		return true
	}
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	if t.crowd == nil { // evicted
		if n > 0 {
			l.held.Add(-int64(n))
			return false
		}
		p.bytes += int64(n)
		return true
	}
	if n > 0 && l.reserved(t.crowd, limit) {
		l.held.Add(-int64(n))
		return false
	}
	p.bytes += int64(n)
	l.totals[Bytes].Add(int64(n))
	t.shard.add(t.crowd, Bytes, int64(n))
	l.pass(p, t.standing&^1|holding(t.standing, p.bytes > 0))
	return true
}

// Spend counts descriptors that a connection holds from now on beyond PerConnection, or with
// a negative n has closed. As many as PerConnection of them, or fewer, are another settled
// connection: in the total, and among what the crowd holds. Spend reports whether they may
// be held: not by a connection that was evicted. What makes room is Evict's.
func (l *Ledger) Spend(p *Place, n int) bool {
	t := &p.seats[l.role]
	if t.shard == nil {
		return true
	}
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	if t.crowd == nil && n > 0 {
		return false
	}
	more := -l.beyond(p)
	p.extra = max(p.extra+n, 0) // 0: the connection has left, and closes them later
	more += l.beyond(p)
	if t.crowd != nil {
		l.totals[Conns].Add(more)
		t.shard.add(t.crowd, Conns, more)
	} else if t.evicted {
		l.leaving.Add(more)
	}
	return true
}

// beyond returns how many connections p is worth beside itself, for its descriptors. The
// lock is held.
func (l *Ledger) beyond(p *Place) int64 {
	if l.role != Whole {
		return 0
	}
	return int64(p.extra+PerConnection-1) / PerConnection
}

// reserved reports whether what is left of the bytes is for smaller crowds than c.
func (l *Ledger) reserved(c *crowd, limit int64) bool {
	return limit > 0 && l.held.Load() > limit+limit/(2*slack) && c.holds[Bytes] > limit/large
}

// holding returns the lower bit of a standing: whether bytes are held makes a silent
// connection a reading one, and a settled one unfinished.
func holding(s Standing, bytes bool) Standing {
	if bytes == (s < Unfinished) {
		return 1
	}
	return 0
}

// Leave counts a connection out, with what it still holds. It may be called again.
func (l *Ledger) Leave(p *Place) {
	t := &p.seats[l.role]
	if t.shard == nil {
		return
	}
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	if l.role == Whole {
		l.held.Add(-p.bytes)
	}
	if t.crowd != nil {
		l.remove(p)
	}
	if t.evicted {
		t.evicted = false
		l.leaving.Add(-1 - l.beyond(p))
	}
	if l.role == Whole {
		p.bytes, p.extra = 0, 0
	}
}

// remove takes a connection out of its crowd. The lock is held.
func (l *Ledger) remove(p *Place) {
	t := &p.seats[l.role]
	s, c := t.shard, t.crowd
	c.lists[t.standing].remove(l.role, p)
	s.shift(c, t.standing, standings)
	s.add(c, Conns, -l.beyond(p))
	l.totals[Conns].Add(-1 - l.beyond(p))
	if t.standing < Unfinished {
		l.totals[Matching].Add(-1)
	}
	if l.role == Whole && p.bytes != 0 {
		s.add(c, Bytes, -p.bytes)
		l.totals[Bytes].Add(-p.bytes)
	}
	t.crowd = nil
	if c.conns--; c.conns == 0 {
		l.crowds.Add(-1)
		s.drop(c)
	}
}
