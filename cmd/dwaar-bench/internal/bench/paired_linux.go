package bench

import (
	"errors"
	"fmt"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/load"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
)

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
func (s *session) paired(sc Scenario) (report.Measured, error) {
	m := report.Measured{Name: sc.Name, Title: sc.Title}
	which, err := s.referenceOf(sc)
	if err != nil {
		return m, nil // a table without rows
	}
	m.Reference = which.Name
	reference, err := s.start(sc, which)
	if err != nil {
		return m, err
	}
	defer reference.Stop()
	pairs := s.startPairs(sc, &m)
	defer stopPairs(pairs)
	rounds := max(s.Rounds/s.longer(sc), min(s.Rounds, leastRounds))
	var without []load.Sample
	for round := range rounds {
		direct, err := s.sample(sc, nil, &m)
		if err != nil {
			return m, fmt.Errorf("taking a sample without a proxy: %w", err)
		}
		without = append(without, direct)
		for i := range pairs {
			p := pairs[(i+round)%len(pairs)]
			if err := s.round(sc, p, reference, direct, round%2 == 1, &m); err != nil {
				s.failed(&m, p.name, err)
			}
		}
		s.progress(sc, round, rounds)
	}
	m.Figures = tabulate(sc, m.Reference, pairs, without)
	return m, s.ctx.Err()
}

// leastRounds are made also where samples are longer.
const leastRounds = 5

// longer is how many windows a sample takes.
func (s *session) longer(sc Scenario) int {
	if s.Quick {
		return max(sc.longer/2, 1)
	}
	return max(sc.longer, 1)
}

func stopPairs(pairs []*pair) {
	for _, p := range pairs {
		p.process.Stop()
	}
}

// referenceOf is the program that the ratios of a scenario are to.
func (s *session) referenceOf(sc Scenario) (peer.Program, error) {
	able := s.subjects(sc)
	if len(able) == 0 {
		return peer.Program{}, errNobody
	}
	for _, name := range []string{s.Reference, sc.Reference} {
		if p, err := peer.Find(able, name); err == nil {
			return p, nil
		}
	}
	return able[len(able)-1], nil
}

// errNobody is the error of a scenario that no program in the run can do.
var errNobody = errors.New("nobody here can do that")

// startPairs starts every proxy that can do the scenario, and a second one of the
// reference.
func (s *session) startPairs(sc Scenario, m *report.Measured) []*pair {
	var pairs []*pair
	for _, p := range s.subjects(sc) {
		process, err := s.start(sc, p)
		if err != nil {
			s.failed(m, p.Name, err)
			continue
		}
		pairs = append(pairs, &pair{
			name: p.Name, process: process,
			ours: make([][]float64, len(sc.metrics)), theirs: make([][]float64, len(sc.metrics)),
		})
	}
	return pairs
}

// round takes a sample of a proxy and one of the reference.
func (s *session) round(sc Scenario, p *pair, reference *peer.Process, direct load.Sample, swapped bool, m *report.Measured) error {
	order := []*peer.Process{p.process, reference}
	if swapped {
		order[0], order[1] = order[1], order[0]
	}
	samples := map[*peer.Process]load.Sample{}
	for _, process := range order {
		sample, err := s.sample(sc, process, m)
		if err != nil {
			return err
		}
		samples[process] = sample
	}
	for i, metric := range sc.metrics {
		p.ours[i] = append(p.ours[i], metric.of(samples[p.process], direct))
		p.theirs[i] = append(p.theirs[i], metric.of(samples[reference], direct))
	}
	return nil
}

// sample runs the load of a scenario once, without a proxy if process is nil.
func (s *session) sample(sc Scenario, process *peer.Process, m *report.Measured) (load.Sample, error) {
	l, err := s.loadFor(sc, process)
	if err != nil {
		return load.Sample{}, err
	}
	l.Window = s.Window * time.Duration(s.longer(sc))
	l.Warm = l.Window / 5
	if process == nil {
		l.Handshakes = nil // nobody terminates them
	}
	sample, err := s.clients.run(l)
	if err != nil {
		return sample, err
	}
	s.others = append(s.others, float64(sample.Busy-sample.Proxy-sample.Helpers)/float64(sample.Elapsed))
	if process == nil {
		return sample, nil
	}
	for _, t := range []*load.Tally{sample.Short, sample.Requests, sample.Bulk, sample.Handshakes} {
		count(m, process.Name, t)
	}
	return sample, nil
}

// tabulate makes estimates of the rounds.
func tabulate(sc Scenario, reference string, pairs []*pair, without []load.Sample) []report.Figure {
	var all []report.Figure
	for i, metric := range sc.metrics {
		f := report.Figure{Name: metric.name, Unit: metric.unit, Bare: metric.bare, Of: map[string]report.Value{}}
		for _, p := range pairs {
			ratio := figures.Ratios(p.ours[i], p.theirs[i])
			if p.name == reference {
				f.Itself = &ratio
				f.Of[p.name] = report.Value{Value: figures.Of(p.theirs[i]), Rounds: figures.Numbers(p.theirs[i])}
				continue
			}
			f.Of[p.name] = report.Value{Value: figures.Of(p.ours[i]), Ratio: &ratio, Rounds: figures.Numbers(p.ours[i])}
		}
		if metric.direct {
			v := make([]float64, len(without))
			for j, sample := range without {
				v[j] = metric.of(sample, sample)
			}
			f.Of[report.Direct] = report.Value{Value: figures.Of(v), Rounds: figures.Numbers(v)}
		}
		all = append(all, f)
	}
	return all
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
