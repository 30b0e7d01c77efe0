package engine

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/route"
)

// remembered is how many decisions are kept: a few seconds of a busy listener, a
// few minutes of a quiet one.
const remembered = 256

// Decision is the end of a connection's first matching phase.
type Decision struct {
	Time       time.Time         // when the phase ended
	ID         uint64            // of the connection
	Client     netip.AddrPort    // zero on Unix sockets
	Local      netip.AddrPort    // the address that it connected to; zero on Unix sockets
	Listener   string            // as configured
	Generation uint64            // of the configuration that decided
	Route      string            // "": no route took it
	Bytes      int               // length of the head at that time
	Took       time.Duration     // since the connection was accepted
	Final      error             // why the head could not grow any more; nil: the bytes decided
	Asked      []route.Asked     // the matchers that were asked, at most route.MaxAsked
	More       int               // how many were asked beside these
	Facts      map[string]string // what was read for the route, or on the way to none; 128 bytes of each value at most
	Head       []byte            // the first bytes, as many as the configuration has kept
	Ended      bool              // the connection has ended, with Code
	Code       host.Code         // how the connection ended; valid if Ended
	Upstream   string            // that stood; "": none did, or the connection is open
}

// decisions is a ring of the last decisions.
type decisions struct {
	mu   sync.Mutex
	last uint64 // the number of the latest one, from 1
	ring [remembered]remembrance
}

// remembrance is a decision with the memory of what it holds, which the next decision in
// its place uses again. Facts of the Decision is nil.
type remembrance struct {
	Decision
	facts route.Facts
}

// add remembers a decision with copies of what was asked and read, and returns its number.
func (d *decisions) add(one *Decision, t *route.Trail, facts *route.Facts) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	r := &d.ring[d.last%remembered]
	asked, head := r.Asked[:0], r.Head[:0]
	r.Decision = *one
	r.Asked, r.More = append(asked, t.Asked...), t.More
	clear(r.Asked[len(r.Asked):cap(r.Asked)]) // texts of configurations that are gone
	r.Head = append(head, one.Head...)
	r.facts.Reset()
	r.facts.AddLatest(facts, maxLoggedFacts, maxLoggedValue)
	r.facts.AddLatest(&t.Seen, maxLoggedFacts, maxLoggedValue)
	return d.last
}

// end notes in a decision how its connection ended, if the ring still has it.
func (d *decisions) end(number uint64, code host.Code, upstream string) {
	d.note(number, func(one *Decision) { one.Ended, one.Code, one.Upstream = true, code, upstream })
}

// readdress notes in a decision the addresses that a PROXY header names, if the ring still
// has it.
func (d *decisions) readdress(number uint64, client, local netip.AddrPort) {
	d.note(number, func(one *Decision) { one.Client, one.Local = client, local })
}

// note changes a decision, if the ring still has it.
func (d *decisions) note(number uint64, change func(*Decision)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number > 0 && d.last-number < remembered {
		change(&d.ring[number%remembered].Decision)
	}
}

// view returns a copy that nobody writes to.
func (r *remembrance) view() Decision {
	d := r.Decision
	d.Asked, d.Head = slices.Clone(r.Asked), bytes.Clone(r.Head)
	if r.facts.Len() > 0 {
		d.Facts = maps.Collect(r.facts.All())
	}
	return d
}

// Decisions returns the last routing decisions, at most 256, oldest first.
func (e *Engine) Decisions() []Decision {
	d := &e.decisions
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(d.last, remembered)
	all := make([]Decision, 0, n)
	for i := d.last - n + 1; i <= d.last; i++ {
		all = append(all, d.ring[i%remembered].view())
	}
	return all
}
