package kit

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// BenchOptions say how long is measured.
type BenchOptions struct {
	For time.Duration // for each figure; 0 is [DefaultBench]
}

// DefaultBench is how long a figure is measured.
const DefaultBench = 200 * time.Millisecond

// Measure is what evaluations of one sample take.
type Measure struct {
	Matcher    string  `json:"matcher"`     // as a line of a Dwaarfile
	Sample     string  `json:"sample"`      // its name
	Bytes      int     `json:"bytes"`       // of the sample
	Answer     string  `json:"answer"`      // verdict and facts
	Fuel       int64   `json:"fuel"`        // units
	Budget     int64   `json:"budget"`      // units
	Goroutines int     `json:"goroutines"`  // that evaluate at the same time
	NS         float64 `json:"ns"`          // of one goroutine for one evaluation, as the proxy makes it: instance, facts and putting back included
	ChangingNS float64 `json:"changing_ns"` // the same where each evaluation has another configuration than the one before
}

// Bench measures every matcher on every sample, with one goroutine and twice as many
// until all processors are busy. Times are of this machine, at this moment; fuel is the
// same everywhere.
func (sub *Subject) Bench(h *wasm.Host, o BenchOptions) ([]Measure, error) {
	if o.For <= 0 {
		o.For = DefaultBench
	}
	if len(sub.Samples) == 0 {
		return nil, fmt.Errorf("measuring %s: there are no samples: put first bytes of real clients in %s, or name a file or --hex", sub.Module, samplesDir)
	}
	opened, err := sub.open(h)
	if err != nil {
		return nil, err
	}
	defer opened.plugin.Close()
	var all []Measure
	for _, g := range opened.guests {
		for i := range sub.Samples {
			for _, n := range widths(runtime.GOMAXPROCS(0)) {
				all = append(all, sub.measure(g, &sub.Samples[i], n, o.For))
			}
		}
	}
	return all, nil
}

// widths are 1, 2, 4 and so on, and most at last.
func widths(most int) []int {
	var all []int
	for n := 1; n < most; n *= 2 {
		all = append(all, n)
	}
	return append(all, most)
}

func (sub *Subject) measure(g guest, s *Sample, goroutines int, long time.Duration) Measure {
	a := sub.answer(g, s)
	return Measure{
		Matcher: g.Line, Sample: s.Name, Bytes: len(s.Head), Answer: a.Answer, Fuel: a.Fuel, Budget: a.Budget,
		Goroutines: goroutines,
		NS:         clock(s, goroutines, long, g.matcher),
		ChangingNS: clock(s, goroutines, long, g.matcher, g.again),
	}
}

// clock asks the matchers in turn, from so many goroutines, and returns how long each
// of them needs for one answer, in nanoseconds.
func clock(s *Sample, goroutines int, long time.Duration, ms ...*wasm.Matcher) float64 {
	asking := func(rounds int) {
		f, facts := s.Flow(), &arena{}
		head, bounds := f.Head, f.Bounds
		f.Bind(facts)
		for i := range rounds {
			f.Rehead(head) // another connection: what it may take in all begins anew
			f.Bounds = bounds
			facts.used = 0
			_, _ = ms[i%len(ms)].Match(&f) // an error takes its time as well
		}
	}
	const rounds = 64
	asking(2 * rounds) // instances are made, and memory is where it will be
	var (
		wg    sync.WaitGroup
		asked atomic.Int64
		begun = time.Now()
	)
	for range goroutines {
		wg.Go(func() {
			for again := true; again; again = time.Since(begun) < long { // once, however late it runs
				asking(rounds)
				asked.Add(rounds)
			}
		})
	}
	wg.Wait()
	return float64(time.Since(begun).Nanoseconds()) * float64(goroutines) / float64(asked.Load())
}

// arena keeps facts as a connection does.
type arena struct {
	bytes [abi.MaxFacts * abi.MaxValue]byte
	used  int
}

var _ sdk.Facts = (*arena)(nil)

// Get knows nothing.
func (a *arena) Get(string) (string, bool) { return "", false }

// Set copies a value.
func (a *arena) Set(_ string, value []byte) { a.used += copy(a.bytes[a.used:], value) }
