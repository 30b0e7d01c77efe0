package bench

import (
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
	reference, err := s.start(sc, s.reference)
	if err != nil {
		return m, err
	}
	defer reference.Stop()
	pairs := s.startPairs(sc, &m)
	defer func() {
		for _, p := range pairs {
			p.process.Stop()
		}
	}()
	for round := range s.Rounds {
		direct, err := s.sample(sc, nil, &m)
		if err != nil {
			return m, err
		}
		for i := range pairs {
			p := pairs[(i+round)%len(pairs)]
			if err := s.round(sc, p, reference, direct, round%2 == 1, &m); err != nil {
				s.failed(&m, p.name, err)
			}
		}
		s.progress(sc, round)
	}
	m.Figures = s.figures(sc, pairs)
	return m, nil
}

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
	l.Warm, l.Window = s.Window/5, s.Window
	sample, err := s.clients.run(l)
	if err != nil || process == nil {
		return sample, err
	}
	for _, t := range []*load.Tally{sample.Short, sample.Requests, sample.Bulk, sample.Handshakes} {
		count(m, process.Name, t)
	}
	return sample, nil
}

// figures makes estimates of the rounds.
func (s *session) figures(sc Scenario, pairs []*pair) []report.Figure {
	var all []report.Figure
	for i, metric := range sc.metrics {
		f := report.Figure{Name: metric.name, Unit: metric.unit, Bare: metric.bare, Of: map[string]report.Value{}}
		for _, p := range pairs {
			ratio := figures.Ratios(p.ours[i], p.theirs[i])
			if p.name == s.reference.Name {
				f.Itself = &ratio
				f.Of[p.name] = report.Value{Value: figures.Of(p.theirs[i]), Rounds: figures.Numbers(p.theirs[i])}
				continue
			}
			f.Of[p.name] = report.Value{Value: figures.Of(p.ours[i]), Ratio: &ratio, Rounds: figures.Numbers(p.ours[i])}
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
	for what, n := range t.Errors {
		m.Count(name, what, n)
	}
}
