package wasm

import "sync/atomic"

// lanes is how many places there are to count in at the same time: instances of
// different processors count in different ones.
const lanes = 16

// Counts are what the matchers of a plugin did, by its name in the configuration.
// They go on as long as one configuration after the other has a plugin of that name.
type Counts struct {
	name  string
	lanes [lanes]lane

	failures  [kinds]atomic.Uint64
	shadowed  [shadowResults]atomic.Uint64
	recorded  atomic.Uint64
	forgotten atomic.Uint64
}

// lane is alone on its cache line.
type lane struct {
	evaluations, fuel atomic.Uint64
	_                 [48]byte
}

// Stats is what was counted for a plugin.
type Stats struct {
	Name        string            // of the plugin, in the configuration
	Evaluations uint64            // all of them, failed ones included
	Fuel        uint64            // units that they took
	Failures    map[string]uint64 // evaluations without an answer, by kind
	Shadow      map[string]uint64 // evaluations that were copied for a shadow, by what came of it; nil: none were
	Recorded    uint64            // evaluations written to a file of records
	Forgotten   uint64            // evaluations that were to be written and were not
}

// Stats returns what was counted so far.
func (c *Counts) Stats() Stats {
	s := Stats{
		Name: c.name, Failures: map[string]uint64{},
		Recorded: c.recorded.Load(), Forgotten: c.forgotten.Load(),
	}
	for i := range c.lanes {
		s.Evaluations += c.lanes[i].evaluations.Load()
		s.Fuel += c.lanes[i].fuel.Load()
	}
	for k := range c.failures {
		if n := c.failures[k].Load(); n > 0 {
			s.Failures[Kind(k).String()] = n
		}
	}
	for r := range c.shadowed {
		if n := c.shadowed[r].Load(); n > 0 {
			if s.Shadow == nil {
				s.Shadow = map[string]uint64{}
			}
			s.Shadow[shadowResult(r).String()] = n
		}
	}
	return s
}

func (c *Counts) evaluated(lane int, fuel int64) {
	l := &c.lanes[lane]
	l.evaluations.Add(1)
	l.fuel.Add(uint64(max(fuel, 0)))
}

func (c *Counts) failed(k Kind) { c.failures[k].Add(1) }
