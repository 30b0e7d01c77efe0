package bench

import (
	"fmt"
	"math"
	"slices"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/load"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

// Scenario is one thing that is measured of every proxy that can do it.
type Scenario struct {
	Name  string // of one word
	Title string // a line for people
	Kind  peer.Kind
	Bulk  bool // about bytes: proxies that differ only in how they splice take part

	protocol string // the first flight
	upstream int    // the upstream that must answer
	load     func(first []byte) load.Load
	metrics  []metric
	measure  func(*session, Scenario) (report.Measured, error)
}

// metric is a figure that is taken from a sample, and from one of the load without a
// proxy in the same round.
type metric struct {
	name, unit string
	bare       bool // Figure.Bare
	of         func(s, direct load.Sample) float64
}

// Scenarios returns everything there is, in the order it is measured.
func Scenarios() []Scenario {
	all := []Scenario{shortScenario("short-plain", "short connections, plain forward", peer.Plain, "raw", 0)}
	for i, protocol := range []string{"tls", "ssh", "http", "postgres"} {
		all = append(all, shortScenario("short-mux-"+protocol, "short connections, four protocols on one port: "+protocol, peer.Mux, protocol, i))
	}
	all = append(all, shortScenario("short-names", "short connections, the last of 100 server names, post-quantum hello", peer.Names, "tls", names-1))
	all = append(all, callScenarios()...)
	return all
}

// names is how many server names the kind Names has, and how many upstreams there are.
const names = 100

// answer is what a short connection gets, in bytes.
const answer = 64

func shortScenario(name, title string, kind peer.Kind, protocol string, upstream int) Scenario {
	return Scenario{
		Name: name, Title: title, Kind: kind, protocol: protocol, upstream: upstream,
		load:    func(first []byte) load.Load { return load.Load{Short: shortConns(first, 32)} },
		metrics: shortMetrics(), measure: (*session).paired,
	}
}

func shortConns(first []byte, inFlight int) *load.Short {
	first = wire.Header{Mode: wire.Reply, Close: true, Answer: answer}.Append(slices.Clone(first))
	return &load.Short{InFlight: inFlight, First: first, Answer: answer}
}

func shortMetrics() []metric {
	return []metric{
		{name: "CPU", unit: "µs/connection", of: func(s, _ load.Sample) float64 { return per(s.Proxy, s.Short.Done) }},
		{name: "machine", unit: "µs/connection", of: func(s, direct load.Sample) float64 {
			return per(s.Busy, s.Short.Done) - per(direct.Helpers, direct.Short.Done)
		}},
		{name: "rate", unit: "connections/s", bare: true, of: func(s, _ load.Sample) float64 {
			return float64(s.Short.Done) / s.Elapsed.Seconds()
		}},
		{name: "p50", unit: "µs", bare: true, of: func(s, _ load.Sample) float64 { return micros(s.Short.P50) }},
		{name: "p99", unit: "µs", bare: true, of: func(s, _ load.Sample) float64 { return micros(s.Short.P99) }},
	}
}

// per returns microseconds for each of n.
func per(d time.Duration, n int) float64 {
	if n == 0 {
		return math.NaN()
	}
	return micros(d) / float64(n)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// flight returns the first bytes that a scenario's clients send, without a header.
func (s *Scenario) flight() ([]byte, error) { return wire.Flight(s.protocol, serverName(s.upstream)) }

// serverName is the name that is routed to an upstream.
func serverName(upstream int) string {
	if upstream == 0 {
		return "app.example.com"
	}
	return fmt.Sprintf("host%03d.example.com", upstream)
}
