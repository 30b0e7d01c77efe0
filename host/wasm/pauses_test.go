package wasm

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

// BenchmarkPauses is how long the collector stops the process of a proxy, beside
// connections whose guest spends all of its fuel, and beside as many whose guest
// answers: native code is not interrupted, so that what an evaluation takes is what
// others may wait for.
//
//	go test -run '^$' -bench Pauses -benchtime 5000x ./host/wasm
//
// Microseconds, of the histogram of runtime/metrics; an operation is a connection.
func BenchmarkPauses(b *testing.B) {
	for _, load := range []struct{ name, body, head string }{
		{"answering", "(loop $l (br $l))", "sane"},
		{"an endless loop", "(loop $l (br $l))", "!"},
		{"an endless log", hostile()["a log without end"].body, "!"},
		{"a set of all memory", hostile()["a set of all memory"].body, "!"},
	} {
		b.Run(load.name, func(b *testing.B) {
			s := goLive(b, beside(hostileGuest(b, more(load.name), load.body), ""))
			stop := s.traffic("TALK")
			before := pauses()
			ended := make(chan struct{})
			collected := make(chan struct{})
			go func() {
				defer close(collected)
				for {
					select {
					case <-ended:
						return
					default:
						runtime.GC()
					}
				}
			}()
			for b.Loop() {
				got, err := s.say(load.head)
				if err != nil || (got == "") != (load.head == "!") {
					b.Fatalf("%q, %v", got, err)
				}
			}
			close(ended)
			<-collected
			stop()
			after := pauses()
			for _, q := range []struct {
				of   float64
				name string
			}{{0.5, "p50-µs"}, {0.99, "p99-µs"}, {1, "max-µs"}} {
				b.ReportMetric(quantile(before, after, q.of)*1e6, q.name)
			}
		})
	}
}

// more is what the body of a hostile guest stands on.
func more(name string) string {
	return map[string]string{
		"an endless log":      hostile()["a log without end"].more,
		"a set of all memory": hostile()["a set of all memory"].more,
	}[name]
}

// pauses is the histogram of how long collections have stopped the world.
func pauses() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64Histogram()
}

// quantile is the upper end of the bucket that a quantile of what came between two
// readings is in, in seconds.
func quantile(before, after *metrics.Float64Histogram, q float64) float64 {
	total := uint64(0)
	for i, n := range after.Counts {
		total += n - before.Counts[i]
	}
	seen := uint64(0)
	for i, n := range after.Counts {
		seen += n - before.Counts[i]
		if seen > 0 && float64(seen) >= q*float64(total) {
			return after.Buckets[i+1]
		}
	}
	return 0
}
