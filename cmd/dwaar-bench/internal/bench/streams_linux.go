package bench

import (
	"fmt"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/load"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

// small is a small request and its answer, in bytes.
const small = 64

func requests(conns int) *load.Requests {
	return &load.Requests{
		Conns: conns, Request: small, Answer: small,
		First: wire.Header{Mode: wire.Reply, Request: small, Answer: small}.Append(nil),
	}
}

// requestScenarios are small requests on connections that stay.
func requestScenarios() []Scenario {
	var all []Scenario
	for _, conns := range []int{1, 32} {
		all = append(all, Scenario{
			Name: fmt.Sprintf("requests-%d", conns), Title: fmt.Sprintf("requests of 64 bytes on %d connection(s)", conns),
			Kind: peer.Plain, Reference: nginx, metrics: requestMetrics(), measure: (*session).paired,
			load: func([]byte) load.Load { return load.Load{Requests: requests(conns)} },
		})
	}
	return all
}

func requestMetrics() []metric {
	done := func(s load.Sample) float64 { return float64(s.Requests.Done) }
	return append(costs("request", time.Microsecond, "µs", done), []metric{
		{name: "p50 − direct", unit: "µs", of: func(s, direct load.Sample) float64 {
			return in(time.Microsecond, s.Requests.P50-direct.Requests.P50)
		}},
		{name: "p50", unit: "µs", bare: true, direct: true, of: func(s, _ load.Sample) float64 { return in(time.Microsecond, s.Requests.P50) }},
		{name: "p99", unit: "µs", bare: true, direct: true, of: func(s, _ load.Sample) float64 { return in(time.Microsecond, s.Requests.P99) }},
		{name: "rate", unit: "requests/s", bare: true, direct: true, of: func(s, _ load.Sample) float64 { return done(s) / s.Elapsed.Seconds() }},
	}...)
}

// streams are connections that send and take as fast as they can, so many bytes at
// once.
func streams(conns, chunk int) *load.Bulk {
	return &load.Bulk{Conns: conns, Up: true, Chunk: chunk, First: wire.Header{Mode: wire.Both, Chunk: uint32(chunk)}.Append(nil)}
}

// bulkScenarios are bytes in both directions.
func bulkScenarios() []Scenario {
	plain := Scenario{
		Name: "bulk", Title: "as many bytes as go, both directions of 4 connections", Kind: peer.Plain,
		Reference: splicer, Bulk: true, metrics: bulkMetrics(), measure: (*session).paired,
		load: func([]byte) load.Load { return load.Load{Bulk: streams(4, 0)} },
	}
	// More connections than an ordinary user's pipes of the greatest size
	// (fs.pipe-user-pages-soft) last for.
	nobody := plain
	nobody.Name, nobody.Nobody = "bulk-nobody", true
	nobody.Title = "as many bytes as go, both directions of 40 connections, the proxy an unprivileged user"
	nobody.load = func([]byte) load.Load { return load.Load{Bulk: streams(40, 0)} }
	return []Scenario{plain, nobody}
}

func bulkMetrics() []metric {
	gigabytes := func(s load.Sample) float64 { return float64(s.Bulk.Bytes) / 1e9 }
	return append(costs("GB", time.Second, "s", gigabytes),
		metric{name: "throughput", unit: "GB/s", direct: true, of: func(s, _ load.Sample) float64 { return gigabytes(s) / s.Elapsed.Seconds() }})
}

// turn is so little, in bytes, that a request does not wait long for load and upstream
// themselves to move the bytes beside it.
const turn = 16 << 10

// besideScenario is small requests beside bulk in the same proxy.
func besideScenario() Scenario {
	latency := func(name string, of func(*load.Tally) time.Duration) metric {
		return metric{name: name, unit: "ms", direct: true, of: func(s, _ load.Sample) float64 { return in(time.Millisecond, of(s.Requests)) }}
	}
	return Scenario{
		Name: "beside-bulk", Title: "requests of 64 bytes on 4 connections beside 8 bulk streams in the same proxy", Kind: peer.Plain,
		Reference: haproxy, Bulk: true, longer: 4, measure: (*session).paired,
		load: func([]byte) load.Load { return load.Load{Requests: requests(4), Bulk: streams(8, turn)} },
		metrics: []metric{
			latency("p99", func(t *load.Tally) time.Duration { return t.P99 }),
			latency("p50", func(t *load.Tally) time.Duration { return t.P50 }),
			{name: "bulk", unit: "GB/s", bare: true, direct: true, of: func(s, _ load.Sample) float64 { return float64(s.Bulk.Bytes) / 1e9 / s.Elapsed.Seconds() }},
		},
	}
}

// handshakeScenario is new TLS connections to a proxy that has no time.
func handshakeScenario() Scenario {
	return Scenario{
		Name: "handshake-saturated", Title: "new TLS 1.3 connections, one at a time, to a proxy saturated by requests of 64 bytes on 64 connections",
		Kind: peer.Secure, Reference: haproxy, longer: 4, measure: (*session).paired,
		load: func([]byte) load.Load {
			return load.Load{Requests: requests(64), Handshakes: &load.Handshakes{InFlight: 1, Name: serverName(0)}}
		},
		metrics: []metric{
			{name: "p99", unit: "ms", of: func(s, _ load.Sample) float64 { return in(time.Millisecond, s.Handshakes.P99) }},
			{name: "p50", unit: "ms", of: func(s, _ load.Sample) float64 { return in(time.Millisecond, s.Handshakes.P50) }},
			{name: "handshakes", unit: "per s", bare: true, of: func(s, _ load.Sample) float64 { return float64(s.Handshakes.Done) / s.Elapsed.Seconds() }},
			{name: "requests", unit: "per s", bare: true, of: func(s, _ load.Sample) float64 { return float64(s.Requests.Done) / s.Elapsed.Seconds() }},
		},
	}
}
