package engine

import (
	"sync"
	"sync/atomic"

	"dwaar.dev/dwaar/host"
)

// shards is how many parts the table of connections has. The number of a connection
// chooses its part, so that two connections that begin or end at once seldom contend.
const shards = 16

// table holds the connections that live and counts those that have ended.
type table struct {
	parts [shards]shard
}

// shard counts under the lock that begin and end take anyway. The bytes of a
// connection move from its own counts to those of the shard under the same lock, so
// that a sum never shrinks.
type shard struct {
	mu       sync.Mutex
	conns    map[uint64]*conn
	began    uint64
	up, down int64 // bytes of connections that ended
	codes    [host.Codes]uint64
	_        [64]byte // keeps the lock of the next shard out of this cache line
}

func (t *table) part(id uint64) *shard { return &t.parts[id%shards] }

func (t *table) begin(x *conn) {
	s := t.part(x.ID())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = map[uint64]*conn{}
	}
	s.conns[x.ID()] = x
	s.began++
}

func (t *table) end(x *conn, o host.Outcome) {
	s := t.part(x.ID())
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, x.ID())
	s.codes[o.Code.Index()]++
	s.up += o.Up
	s.down += o.Down
}

// refuse counts a connection that a cap turned away: it began and ended.
func (t *table) refuse(id uint64, code host.Code) {
	s := t.part(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began++
	s.codes[code.Index()]++
}

func (t *table) find(id uint64) *conn {
	s := t.part(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[id]
}

// all returns the connections that live.
func (t *table) all() []*conn {
	var all []*conn
	for i := range t.parts {
		s := &t.parts[i]
		s.mu.Lock()
		for _, x := range s.conns {
			all = append(all, x)
		}
		s.mu.Unlock()
	}
	return all
}

// sum adds the table's counts to s.
func (t *table) sum(to *Stats) {
	for i := range t.parts {
		s := &t.parts[i]
		s.mu.Lock()
		to.Accepted += s.began
		to.Active += len(s.conns)
		to.Up += s.up
		to.Down += s.down
		for _, x := range s.conns {
			to.Phases[x.phase()]++
			up, down := x.Counts()
			to.Up += up
			to.Down += down
		}
		for code, n := range s.codes {
			to.Ended[code] += n
		}
		s.mu.Unlock()
	}
}

// counters are the totals of rare events.
type counters struct {
	loads, failedLoads atomic.Uint64
	pauses             atomic.Uint64
	panics             atomic.Uint64
	matchingTimeouts   atomic.Uint64
	suppressed         atomic.Uint64
	refused, evicted   [refusals]atomic.Uint64
}

// gauge is a count that goes up and down, and can be waited for to be 0.
type gauge struct {
	n    atomic.Int64
	mu   sync.Mutex
	none chan struct{} // closed when n is 0; nil: nobody waits
}

func (g *gauge) add() { g.n.Add(1) }

// done counts down. Who waits has looked at n under the lock: either the wait saw the 0,
// or done sees who waits.
func (g *gauge) done() {
	if g.n.Add(-1) != 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.none != nil && g.n.Load() == 0 {
		close(g.none)
		g.none = nil
	}
}

func (g *gauge) count() int { return int(g.n.Load()) }

// zero returns a channel that is closed when the count is 0.
func (g *gauge) zero() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n.Load() == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if g.none == nil {
		g.none = make(chan struct{})
	}
	return g.none
}
