package engine

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine/internal/crowd"
	"dwaar.dev/dwaar/host/loop"
)

// Stats is what an engine counted since it was made. Accepted is always Active plus
// the sum of Ended, except for connections that are between two states.
type Stats struct {
	State   State     // what the engine is doing
	Started time.Time // when it was made

	Loads       uint64 // configurations that are or were served
	FailedLoads uint64 // configurations that were not

	Accepted uint64             // connections, those refused included
	Active   int                // connections that live
	Phases   map[host.Phase]int // Active by phase
	Up, Down int64              // bytes relayed from clients and to them so far
	Ended    [host.Codes]uint64 // connections that ended, by [host.Code.Index]

	// Refused has newcomers that were closed because of a cap, by the option that sets
	// it, or "descriptors" when none was left. Evicted has connections that were closed
	// for others, because their crowds held most, by the cap that was reached.
	Refused, Evicted map[string]uint64

	MatchingTimeouts uint64 // matching phases that waited until their deadline
	AcceptPauses     uint64 // pauses because accept failed
	Panics           uint64 // defects that cost a connection
	LinesDropped     uint64 // log lines that found the ring full
	LinesSuppressed  uint64 // access lines beyond the rate
	HeadBytes        int64  // lent for heads now
	ClientBytes      int64  // held by connections that are not relayed yet, heads included
	ClientMemory     int64  // most of these
	Crowds           int    // clients with connections, by address (IPv6: by /64)
	Budget           int    // connections that the descriptor limit allows

	Loops loop.Stats // what the event loops hold; the zero value without loops

	Listeners   []ListenerStats   // by name
	Generations []GenerationStats // oldest first; the last one is current
}

// ListenerStats is what one listener counted since it was opened.
type ListenerStats struct {
	Name     string // as configured
	Addr     string // as bound, "[::]:443" or a path
	Accepted int64  // connections, those refused included
	Refused  int64  // connections closed because of a cap
	Active   int64  // connections that live
}

// GenerationStats is the current generation, or an older one with connections left.
type GenerationStats struct {
	Number uint64    // of the Load, from 1
	Loaded time.Time // when Load was called
	Conns  int64     // connections of this generation that live
}

// Stats returns what was counted so far.
func (e *Engine) Stats() Stats {
	s := Stats{
		Phases:           map[host.Phase]int{},
		Refused:          map[string]uint64{},
		Evicted:          map[string]uint64{},
		Started:          e.started,
		Loads:            e.count.loads.Load(),
		FailedLoads:      e.count.failedLoads.Load(),
		MatchingTimeouts: e.count.matchingTimeouts.Load(),
		AcceptPauses:     e.count.pauses.Load(),
		Panics:           e.count.panics.Load(),
		LinesSuppressed:  e.count.suppressed.Load(),
		HeadBytes:        e.heads.Used(),
		ClientBytes:      e.whole.Held(),
		ClientMemory:     e.whole.Most(crowd.Bytes),
		Crowds:           int(e.whole.Crowds()),
		Budget:           e.budget,
	}
	for why := range refusals {
		s.Refused[why.String()] = e.count.refused[why].Load()
		s.Evicted[why.String()] = e.count.evicted[why].Load()
	}
	if e.loops != nil {
		s.Loops = e.loops.Stats()
	}
	if e.writer != nil {
		s.LinesDropped = e.writer.Dropped()
	}
	e.table.sum(&s)
	e.mu.Lock()
	defer e.mu.Unlock()
	s.State = e.state
	e.listenerStats(&s)
	for _, o := range e.generations {
		if n := o.conns.Load(); n > 0 || o == e.current.generation {
			s.Generations = append(s.Generations, GenerationStats{o.number, o.loaded, n})
		}
	}
	return s
}

// listenerStats adds what the sockets counted. e.mu is held.
func (e *Engine) listenerStats(s *Stats) {
	for _, sock := range e.sockets {
		s.Listeners = append(s.Listeners, ListenerStats{
			sock.target.Load().listener, sock.ln.Addr().String(),
			sock.accepted.Load(), sock.refused.Load(), sock.active.Load(),
		})
	}
	slices.SortFunc(s.Listeners, func(a, b ListenerStats) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Addr, b.Addr))
	})
}

// ConnInfo is a connection that lives.
type ConnInfo struct {
	ID         uint64         // for Kill; counts from 1
	Listener   string         // as configured
	Generation uint64         // of the configuration that took it
	Client     netip.AddrPort // zero on Unix sockets
	Route      string         // "": none yet
	Upstream   string         // "": none yet
	Phase      host.Phase     // the phase the connection is in
	Up, Down   int64          // bytes relayed from the client, and to it
	Accepted   time.Time      // when the connection was accepted
}

// Conns returns the connections that live, oldest first.
func (e *Engine) Conns() []ConnInfo {
	all := e.table.all()
	infos := make([]ConnInfo, len(all))
	for i, x := range all {
		infos[i] = x.info()
	}
	slices.SortFunc(infos, func(a, b ConnInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos
}

// Kill ends a connection because an operator asks for it, and reports whether there is
// such a connection. It does not wait.
func (e *Engine) Kill(id uint64) bool {
	x := e.table.find(id)
	if x != nil {
		x.Kill(host.ByOperator, host.Killed)
	}
	return x != nil
}
