package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/load"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/meter"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
)

// Of a traced proxy: how many connections are made, and how many before it is traced,
// so that what happens once does not count.
const (
	tracedConns = 500
	tracedWarm  = 100
	tracedLimit = 30 * time.Second
)

// idleCalls are those with which a runtime waits, and that no connection caused.
func idleCalls() []string {
	return []string{"restart_syscall", "nanosleep", "clock_nanosleep", "sched_yield"}
}

// callScenarios count system calls.
func callScenarios() []Scenario {
	scenario := func(name, title string, kind peer.Kind, protocol string, inFlight int) Scenario {
		return Scenario{
			Name: name, Title: title, Kind: kind, protocol: protocol,
			load:    func(first []byte) load.Load { return load.Load{Short: shortConns(first, inFlight)} },
			measure: (*session).calls,
		}
	}
	return []Scenario{
		scenario("calls-plain-1", "system calls per connection, plain forward, one at a time", peer.Plain, "raw", 1),
		scenario("calls-plain-32", "system calls per connection, plain forward, 32 in flight", peer.Plain, "raw", 32),
		scenario("calls-mux-1", "system calls per connection, TLS on the multiplexed port, one at a time", peer.Mux, "tls", 1),
		scenario("calls-mux-32", "system calls per connection, TLS on the multiplexed port, 32 in flight", peer.Mux, "tls", 32),
	}
}

// calls counts the system calls of each proxy. They do not depend on what else the
// machine does, hence one round.
func (s *session) calls(ctx context.Context, sc Scenario) (report.Measured, error) {
	m := report.Measured{Name: sc.Name, Title: sc.Title}
	figure := report.Figure{Name: "calls", Unit: "calls/connection", Of: map[string]report.Value{}}
	m.Calls = map[string]map[string]float64{}
	for _, p := range s.subjects(sc) {
		each, err := s.callsOf(ctx, sc, p, &m)
		if err != nil {
			s.failed(&m, p.Name, err)
			continue
		}
		total := 0.0
		for _, n := range each {
			total += n
		}
		figure.Of[p.Name] = report.Value{Value: figures.Of([]float64{total})}
		m.Calls[p.Name] = each
	}
	m.Figures = []report.Figure{figure}
	return m, nil
}

// callsOf returns the calls of one proxy per connection, by name.
func (s *session) callsOf(ctx context.Context, sc Scenario, p peer.Program, m *report.Measured) (map[string]float64, error) {
	r, err := s.start(ctx, sc, p)
	if err != nil {
		return nil, err
	}
	defer r.Stop()
	l, err := s.loadFor(sc, r)
	if err != nil {
		return nil, err
	}
	l.Window, l.Count = tracedLimit, tracedWarm
	if _, err := s.clients.run(l); err != nil {
		return nil, err
	}
	l.Count = tracedConns
	var sample load.Sample
	counted, err := meter.Calls(ctx, r.PIDs, filepath.Join(r.Dir, "calls"), func() (err error) {
		sample, err = s.clients.run(l)
		return err
	})
	if err != nil {
		return nil, err
	}
	count(m, p.Name, sample.Short)
	if sample.Short.Done < tracedConns*9/10 { // sslh drops some
		return nil, fmt.Errorf("tracing %d connections: %d had no answer: %v", tracedConns, tracedConns-sample.Short.Done, sample.Short.Errors)
	}
	each := map[string]float64{}
	for name, n := range counted {
		if !slices.Contains(idleCalls(), name) {
			each[name] = float64(n) / tracedConns
		}
	}
	return each, nil
}
