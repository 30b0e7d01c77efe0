package bench

import (
	"context"
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
	Name      string    // of one word
	Title     string    // a line for people
	Kind      peer.Kind // what the proxies are to do
	Reference string    // the proxy that ratios are to, unless the user wants another one
	Bulk      bool      // about bytes: proxies that differ only in how they splice take part
	Nobody    bool      // the proxies run as the user nobody, which only root can have them do

	protocol string // the first flight
	upstream int    // the upstream that must answer
	longer   int    // a sample is so many windows long (quick: half as many), and there are as many times fewer rounds
	load     func(first []byte) load.Load
	metrics  []metric
	measure  func(*session, context.Context, Scenario) (report.Measured, error)
}

// metric is a figure that is taken from a sample, and from one of the load without a
// proxy in the same round.
type metric struct {
	name, unit string
	bare       bool // Figure.Bare
	direct     bool // it can be told of the load without a proxy
	of         func(s, direct load.Sample) float64
}

// The references: nginx where processor time and latency count, the best that splices
// where bytes do, and who lets small messages through beside them.
const (
	nginx   = "nginx"
	haproxy = "haproxy"
	splicer = "haproxy-splice"
)

// Scenarios returns everything there is, in the order it is measured.
func Scenarios() []Scenario {
	return slices.Concat(shortScenarios(), callScenarios(), requestScenarios(), bulkScenarios(),
		[]Scenario{besideScenario(), handshakeScenario(), idleScenario(), halfCloseScenario()})
}

// names is how many server names the kind Names has, and how many upstreams there are.
const names = 100

// shortScenarios are connections that live for one question and its answer.
func shortScenarios() []Scenario {
	scenario := func(name, title string, kind peer.Kind, protocol string, upstream int) Scenario {
		return Scenario{
			Name: name, Title: title, Kind: kind, Reference: nginx, protocol: protocol, upstream: upstream,
			load:    func(first []byte) load.Load { return load.Load{Short: shortConns(first, 32)} },
			metrics: shortMetrics(), measure: (*session).paired,
		}
	}
	all := []Scenario{scenario("short-plain", "short connections, plain forward, 32 in flight", peer.Plain, "raw", 0)}
	for i, protocol := range []string{"tls", "ssh", "http", "postgres"} {
		title := "short connections, four protocols on one port, 32 in flight: " + protocol
		all = append(all, scenario("short-mux-"+protocol, title, peer.Mux, protocol, i))
	}
	return append(all, scenario("short-names", "short connections, 32 in flight: the last of 100 server names, post-quantum hello", peer.Names, "tls", names-1))
}

// answer is what a short connection gets, in bytes.
const answer = 64

func shortConns(first []byte, inFlight int) *load.Short {
	first = wire.Header{Mode: wire.Reply, Close: true, Answer: answer}.Append(slices.Clone(first))
	return &load.Short{InFlight: inFlight, First: first, Answer: answer}
}

func shortMetrics() []metric {
	done := func(s load.Sample) float64 { return float64(s.Short.Done) }
	return append(costs("connection", time.Microsecond, "µs", done), []metric{
		{name: "rate", unit: "connections/s", bare: true, direct: true, of: func(s, _ load.Sample) float64 { return done(s) / s.Elapsed.Seconds() }},
		{name: "p50", unit: "µs", bare: true, direct: true, of: func(s, _ load.Sample) float64 { return in(time.Microsecond, s.Short.P50) }},
		{name: "p99", unit: "µs", bare: true, direct: true, of: func(s, _ load.Sample) float64 { return in(time.Microsecond, s.Short.P99) }},
	}...)
}

// costs are the metrics of processor time for each of something.
func costs(each string, unit time.Duration, word string, n func(load.Sample) float64) []metric {
	per := func(d time.Duration, s load.Sample) float64 {
		if n(s) == 0 {
			return math.NaN()
		}
		return in(unit, d) / n(s)
	}
	return []metric{
		{name: "CPU", unit: word + "/" + each, of: func(s, _ load.Sample) float64 { return per(s.Proxy, s) }},
		{name: "machine", unit: word + "/" + each, of: func(s, direct load.Sample) float64 {
			return per(s.Busy, s) - per(direct.Helpers, direct)
		}},
	}
}

// in returns a duration in some unit.
func in(unit, d time.Duration) float64 { return float64(d) / float64(unit) }

// flight returns the first bytes that a scenario's clients send, without a header.
func (s *Scenario) flight() ([]byte, error) {
	if s.protocol == "" {
		return nil, nil
	}
	return wire.Flight(s.protocol, serverName(s.upstream))
}

// serverName is the name that is routed to an upstream.
func serverName(upstream int) string {
	if upstream == 0 {
		return "app.example.com"
	}
	return fmt.Sprintf("host%03d.example.com", upstream)
}
