package bench

import (
	"context"
	"fmt"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/load"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
)

// contest is a scenario in which proxies are compared in pairs.
type contest struct {
	*session
	sc        Scenario
	found     *report.Measured
	reference *peer.Process
	pairs     []*pair
	without   []load.Sample // a proxy, by round
}

// pair is one proxy and what it and the reference gave, round by round.
type pair struct {
	name         string
	process      *peer.Process
	ours, theirs [][]float64 // by metric, by round
}

// paired measures a scenario in rounds: in each, every proxy has its turn with the
// reference beside it, in an order that alternates from round to round (A B, B A), and
// the reference has one with a second process of itself. All of them run from the
// beginning; those that are not asked wait and cost nothing.
func (s *session) paired(ctx context.Context, sc Scenario) (report.Measured, error) {
	m := report.Measured{Name: sc.Name, Title: sc.Title}
	which, ok := s.referenceOf(sc)
	if !ok {
		return m, nil // a table without rows
	}
	m.Reference = which.Name
	c := contest{session: s, sc: sc, found: &m}
	defer c.stop()
	if err := c.start(ctx, which); err != nil {
		s.failed(&m, which.Name, err)
		return m, ctx.Err()
	}
	rounds := max(s.Rounds/s.windows(sc), min(s.Rounds, leastRounds))
	for round := range rounds {
		if err := c.round(ctx, round); err != nil {
			return m, err
		}
		s.progress(sc, round, rounds)
	}
	m.Figures = c.figures()
	return m, nil
}

// start starts the reference, every proxy that can do the scenario, and so a second
// reference.
func (c *contest) start(ctx context.Context, reference peer.Program) (err error) {
	if c.reference, err = c.session.start(ctx, c.sc, reference); err != nil {
		return err
	}
	for _, p := range c.subjects(c.sc) {
		process, err := c.session.start(ctx, c.sc, p)
		if err != nil {
			c.failed(c.found, p.Name, err)
			continue
		}
		c.pairs = append(c.pairs, &pair{
			name: p.Name, process: process,
			ours: make([][]float64, len(c.sc.metrics)), theirs: make([][]float64, len(c.sc.metrics)),
		})
	}
	return nil
}

func (c *contest) stop() {
	for _, p := range c.pairs {
		p.process.Stop()
	}
	if c.reference != nil {
		c.reference.Stop()
	}
}

// round takes a sample without a proxy, and then one of each pair. What goes wrong with
// a pair is in what was found.
func (c *contest) round(ctx context.Context, round int) error {
	direct, err := c.sample(nil)
	if err != nil {
		return fmt.Errorf("taking a sample without a proxy: %w", err)
	}
	c.without = append(c.without, direct)
	for i := range c.pairs {
		p := c.pairs[(i+round)%len(c.pairs)]
		if err := c.both(p, direct, round%2 == 1); err != nil {
			c.failed(c.found, p.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// both takes a sample of a proxy and one of the reference.
func (c *contest) both(p *pair, direct load.Sample, swapped bool) error {
	order := []*peer.Process{p.process, c.reference}
	if swapped {
		order[0], order[1] = order[1], order[0]
	}
	samples := map[*peer.Process]load.Sample{}
	for _, process := range order {
		sample, err := c.sample(process)
		if err != nil {
			return err
		}
		samples[process] = sample
	}
	for i, metric := range c.sc.metrics {
		p.ours[i] = append(p.ours[i], metric.of(samples[p.process], direct))
		p.theirs[i] = append(p.theirs[i], metric.of(samples[c.reference], direct))
	}
	return nil
}

// sample runs the load once, without a proxy if process is nil.
func (c *contest) sample(process *peer.Process) (load.Sample, error) {
	l, err := c.loadFor(c.sc, process)
	if err != nil {
		return load.Sample{}, err
	}
	l.Window = c.Window * time.Duration(c.windows(c.sc))
	l.Warm = l.Window / 5
	if process == nil {
		l.Handshakes = nil // nobody terminates them
	}
	sample, err := c.clients.run(l)
	if err != nil {
		return sample, err
	}
	c.others = append(c.others, float64(sample.Busy-sample.Proxy-sample.Helpers)/float64(sample.Elapsed))
	if process == nil {
		return sample, nil
	}
	for _, t := range []*load.Tally{sample.Short, sample.Requests, sample.Bulk, sample.Handshakes} {
		count(c.found, process.Name, t)
	}
	return sample, nil
}

// figures makes estimates of the rounds.
func (c *contest) figures() []report.Figure {
	var all []report.Figure
	for i, metric := range c.sc.metrics {
		f := report.Figure{Name: metric.name, Unit: metric.unit, Bare: metric.bare, Of: map[string]report.Value{}}
		for _, p := range c.pairs {
			ratio := figures.Ratios(p.ours[i], p.theirs[i])
			if p.name == c.reference.Name {
				f.Itself = &ratio
				f.Of[p.name] = value(p.theirs[i])
				continue
			}
			v := value(p.ours[i])
			v.Ratio = &ratio
			f.Of[p.name] = v
		}
		if metric.direct {
			var v []float64
			for _, sample := range c.without {
				v = append(v, metric.of(sample, sample))
			}
			f.Of[report.Direct] = value(v)
		}
		all = append(all, f)
	}
	return all
}

func value(rounds []float64) report.Value {
	return report.Value{Value: figures.Of(rounds), Rounds: figures.Numbers(rounds)}
}

// leastRounds are made also where samples are longer.
const leastRounds = 5

// windows is how many windows a sample takes.
func (s *session) windows(sc Scenario) int {
	if s.Quick {
		return max(sc.longer/2, 1)
	}
	return max(sc.longer, 1)
}

// referenceOf is the program that the ratios of a scenario are to: the user's choice,
// or the scenario's, or whoever can do it.
func (s *session) referenceOf(sc Scenario) (p peer.Program, ok bool) {
	able := s.subjects(sc)
	if len(able) == 0 {
		return p, false
	}
	for _, name := range []string{s.Reference, sc.Reference} {
		if p, err := peer.Find(able, name); err == nil {
			return p, true
		}
	}
	return able[len(able)-1], true
}

// count adds what a sample counted to what is told of a proxy.
func count(m *report.Measured, name string, t *load.Tally) {
	if t == nil {
		return
	}
	m.Count(name, report.Done, t.Done)
	m.Count(name, "from the wrong upstream", t.Wrong)
	m.Count(name, "still waiting", t.Waiting)
	for what, n := range t.Errors {
		m.Count(name, what, n)
	}
}
