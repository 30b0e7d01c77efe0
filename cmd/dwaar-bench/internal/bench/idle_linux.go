package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/meter"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
	"dwaar.dev/dwaar/host/control"
)

// idling is how idle connections are measured: so many at first and so many then,
// where the proxy can hold them, and their rest before its memory is looked at: garbage
// collectors return it late. The slope between the two is what one costs, whatever the
// proxy took before.
type idling struct {
	few, many int
	rest      time.Duration
	rounds    int
}

func (s *session) idling() idling {
	if s.Quick {
		return idling{few: 500, many: 2000, rest: 500 * time.Millisecond, rounds: 1}
	}
	return idling{few: 3000, many: 9900, rest: 3 * time.Second, rounds: 3}
}

// What each connection exchanged before it is idle: once, and all of them at the same
// time once more. In bytes, both ways.
const (
	idleMessage = 1 << 10
	busyMessage = 8 << 10
)

// held is what a proxy holds at one moment.
type held struct {
	meter.Footprint
	goroutines float64 // of a dwaar
}

func idleScenario() Scenario {
	return Scenario{
		Name: "idle", Title: "idle relayed connections: the slope from 3,000 to 9,900 (quick: 500 to 2,000), or to what the proxy can hold",
		Kind: peer.Plain, protocol: "raw", measure: (*session).idle,
	}
}

// idle measures what a connection that waits costs. A proxy that was busy is not what
// it was before, so each figure is of a fresh process. Rounds are few: memory is not as
// noisy as time.
func (s *session) idle(ctx context.Context, sc Scenario) (report.Measured, error) {
	m := report.Measured{Name: sc.Name, Title: sc.Title}
	values := map[string]map[string][]float64{} // by figure, by proxy
	for range s.idling().rounds {
		for _, p := range s.subjects(sc) {
			found, err := s.idleOf(ctx, sc, p)
			if err != nil {
				s.failed(&m, p.Name, err)
				continue
			}
			for name, v := range found {
				if values[name] == nil {
					values[name] = map[string][]float64{}
				}
				values[name][p.Name] = append(values[name][p.Name], v)
			}
		}
	}
	for _, f := range idleFigures() {
		f.Of = map[string]report.Value{}
		for name, v := range values[f.Name] {
			f.Of[name] = report.Value{Value: figures.Of(v), Rounds: v}
		}
		m.Figures = append(m.Figures, f)
	}
	return m, nil
}

// The figures of idle.
const (
	freshMemory   = "memory, fresh"
	busyMemory    = "memory, after all were busy"
	privateMemory = "private of that"
	descriptors   = "descriptors"
	threads       = "threads in all"
	goroutines    = "goroutines"
)

func idleFigures() []report.Figure {
	return []report.Figure{
		{Name: freshMemory, Unit: "bytes/connection"},
		{Name: busyMemory, Unit: "bytes/connection"},
		{Name: privateMemory, Unit: "bytes/connection"},
		{Name: descriptors, Unit: "of a connection"},
		{Name: threads, Unit: "with the most connections"},
		{Name: goroutines, Unit: "of a connection"},
	}
}

// idleOf measures one proxy.
func (s *session) idleOf(ctx context.Context, sc Scenario, p peer.Program) (map[string]float64, error) {
	most := min(s.idling().many, s.holds(p))
	levels := []int{min(s.idling().few, most/3), most}
	fresh, err := s.hold(ctx, sc, p, levels, false)
	if err != nil {
		return nil, err
	}
	busy, err := s.hold(ctx, sc, p, levels, true)
	if err != nil {
		return nil, err
	}
	more := float64(levels[1] - levels[0])
	found := map[string]float64{
		freshMemory:   float64(fresh[1].PSS-fresh[0].PSS) / more,
		busyMemory:    float64(busy[1].PSS-busy[0].PSS) / more,
		privateMemory: float64(busy[1].Private-busy[0].Private) / more,
		descriptors:   float64(fresh[1].Descriptors-fresh[0].Descriptors) / more,
		threads:       float64(fresh[1].Threads),
	}
	if p.Dwaar {
		found[goroutines] = (fresh[1].goroutines - fresh[0].goroutines) / more
	}
	return found, nil
}

// holds is how many connections a proxy can hold here.
func (s *session) holds(p peer.Program) int {
	each := 2
	if p.PerConn > 0 {
		each = p.PerConn
	}
	n := (s.limit - spareDescriptors) / each
	if p.MaxConns > 0 {
		n = min(n, p.MaxConns)
	}
	return n
}

// spareDescriptors are those of a proxy that are no connections.
const spareDescriptors = 150

// hold starts a proxy and holds connections through it, so many at first and so many
// then, and returns what it held with each.
func (s *session) hold(ctx context.Context, sc Scenario, p peer.Program, levels []int, busy bool) ([]held, error) {
	r, err := s.start(ctx, sc, p)
	if err != nil {
		return nil, err
	}
	defer r.Stop()
	defer func() { _ = s.clients.idle(idleRequest{}) }() // close them: a helper that is gone has none
	var all []held
	for _, n := range levels {
		h, err := s.holdSome(ctx, r, n, busy)
		if err != nil {
			return nil, fmt.Errorf("holding %d connections: %w", n, err)
		}
		all = append(all, h)
	}
	return all, nil
}

func (s *session) holdSome(ctx context.Context, r *peer.Process, n int, busy bool) (h held, err error) {
	first := wire.Header{Mode: wire.Reply, Request: idleMessage, Answer: idleMessage}.Append(nil)
	first = append(first, make([]byte, idleMessage)...)
	if err := s.clients.idle(idleRequest{To: r.Listen, Conns: n, First: first, Answer: idleMessage}); err != nil {
		return h, err
	}
	if busy {
		// Whole requests, several at once: the upstream answers each.
		if err := s.clients.idle(idleRequest{To: r.Listen, Conns: n, Busy: make([]byte, busyMessage), Answer: busyMessage}); err != nil {
			return h, err
		}
	}
	if err := wait(ctx, s.idling().rest); err != nil {
		return h, err
	}
	if h.Footprint, err = meter.FootprintOf(r.PIDs); err != nil || !r.Dwaar {
		return h, err
	}
	h.goroutines, err = goroutinesOf(ctx, r.Control)
	return h, err
}

// wait waits, unless the run is interrupted.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// goroutinesOf asks a dwaar how many goroutines it has.
func goroutinesOf(ctx context.Context, path string) (float64, error) {
	text, err := control.NewClient(path).Stats(ctx)
	if err != nil {
		return 0, fmt.Errorf("asking for metrics: %w", err)
	}
	lines := slices.Collect(strings.Lines(string(text)))
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "go_goroutines ") })
	if i < 0 {
		return 0, fmt.Errorf("asking for metrics: there is no go_goroutines")
	}
	n, err := strconv.ParseFloat(strings.Fields(lines[i])[1], 64)
	if err != nil {
		return 0, fmt.Errorf("reading go_goroutines: %w", err)
	}
	return n, nil
}
