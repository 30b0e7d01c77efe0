package control

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dwaar.dev/dwaar/host"
)

// Stats is what the program has counted since it began, and what it has now.
type Stats struct {
	Version      string             // of the program
	Generation   uint64             // of the configuration
	Listeners    []ListenerStats    // by listener
	Phases       map[string]int64   // open connections, by the phase they are in
	Terminations [host.Codes]uint64 // ended connections, by [host.Code.Index]
	BytesUp      uint64             // relayed from clients, by connections that have ended
	BytesDown    uint64             // and to them
	Timeouts     uint64             // matching phases that ended at their deadline
	Refused      map[string]uint64  // connections refused, by the cap that did it
	Pauses       uint64             // times accepting was paused for want of descriptors
	HeadBytes    int64              // first bytes held now
	LogDropped   uint64             // log lines nobody read in time
	Reloads      uint64             // reloads that succeeded
	BadReloads   uint64             // reloads that failed
}

// ListenerStats is what one listener has counted.
type ListenerStats struct {
	Name     string // as configured
	Accepted uint64 // connections since the program began
	Open     int64  // connections now
}

// A metric is a name with what it means. The list of them is docs/operations.md's
// table too: a test compares.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
}

// Metrics, by their index in the list below.
const (
	mInfo = iota
	mGeneration
	mAccepted
	mOpen
	mPhase
	mEnded
	mBytes
	mTimeouts
	mRefused
	mPauses
	mHeads
	mDropped
	mReloads
	mUpHealth
	mUpConns
	mUpConnects
	mUpFailures
	mUpBytes
	metricCount
)

func metrics() [metricCount]metric {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return [metricCount]metric{
		mInfo:       {"dwaar_info", "1, with the version of the program", gauge, []string{"version"}},
		mGeneration: {"dwaar_generation", "Counts the configurations that were loaded", gauge, nil},
		mAccepted:   {"dwaar_accepted_total", "Connections accepted", counter, []string{"listener"}},
		mOpen:       {"dwaar_connections", "Connections open now, by listener", gauge, []string{"listener"}},
		mPhase:      {"dwaar_connections_in_phase", "Connections open now, by the phase they are in", gauge, []string{"phase"}},
		mEnded:      {"dwaar_terminations_total", "Connections that ended: who ended them, in which phase, why", counter, []string{"by", "phase", "why"}},
		mBytes:      {"dwaar_relayed_bytes_total", "Bytes relayed by connections that have ended: up from clients, down to them", counter, []string{"direction"}},
		mTimeouts:   {"dwaar_matching_timeouts_total", "Connections that were still undecided at matching_timeout", counter, nil},
		mRefused:    {"dwaar_refused_total", "Connections closed because a cap was reached, by cap", counter, []string{"cap"}},
		mPauses:     {"dwaar_accept_pauses_total", "Times accepting was paused because no descriptor was left", counter, nil},
		mHeads:      {"dwaar_head_bytes", "Bytes of memory that hold first bytes of connections now", gauge, nil},
		mDropped:    {"dwaar_log_lines_dropped_total", "Log lines dropped because nobody read the log in time", counter, nil},
		mReloads:    {"dwaar_reloads_total", "Reloads, by result: ok or failed", counter, []string{"result"}},
		mUpHealth:   {"dwaar_upstream_health", "1 for the state an upstream is in: up, out, trial or unhealthy", gauge, []string{"upstream", "health"}},
		mUpConns:    {"dwaar_upstream_connections", "Connections to an upstream now, attempts under way included", gauge, []string{"upstream"}},
		mUpConnects: {"dwaar_upstream_connects_total", "Attempts to connect to an upstream that succeeded", counter, []string{"upstream"}},
		mUpFailures: {"dwaar_upstream_failures_total", "Attempts to connect to an upstream that failed", counter, []string{"upstream"}},
		mUpBytes:    {"dwaar_upstream_bytes_total", "Bytes of ended connections: up to an upstream, down from it", counter, []string{"upstream", "direction"}},
	}
}

// collector turns a program's counters into metrics when it is asked.
type collector struct {
	stats     func() Stats
	upstreams func() []Upstream
	descs     [metricCount]*prometheus.Desc
	kinds     [metricCount]prometheus.ValueType
}

func newCollector(p *Program) *collector {
	c := &collector{stats: p.Stats, upstreams: p.Upstreams}
	for i, m := range metrics() {
		c.descs[i] = prometheus.NewDesc(m.name, m.help, m.labels, nil)
		c.kinds[i] = m.kind
	}
	return c
}

// Describe tells which metrics there are.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect asks the program.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	put := func(m int, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(c.descs[m], c.kinds[m], value, labels...)
	}
	s := c.stats()
	put(mInfo, 1, s.Version)
	put(mGeneration, float64(s.Generation))
	put(mBytes, float64(s.BytesUp), "up")
	put(mBytes, float64(s.BytesDown), "down")
	put(mTimeouts, float64(s.Timeouts))
	put(mPauses, float64(s.Pauses))
	put(mHeads, float64(s.HeadBytes))
	put(mDropped, float64(s.LogDropped))
	put(mReloads, float64(s.Reloads), "ok")
	put(mReloads, float64(s.BadReloads), "failed")
	for _, l := range s.Listeners {
		put(mAccepted, float64(l.Accepted), l.Name)
		put(mOpen, float64(l.Open), l.Name)
	}
	for phase, n := range s.Phases {
		put(mPhase, float64(n), phase)
	}
	for by, n := range s.Refused {
		put(mRefused, float64(n), by)
	}
	for i, n := range s.Terminations {
		if n > 0 {
			code := host.CodeAt(i)
			put(mEnded, float64(n), code.By.String(), code.In.String(), code.Why.String())
		}
	}
	collectUpstreams(put, c.upstreams())
}

// collectUpstreams adds up those of one name: two proxy lines with different
// options are two upstreams, and to a scraper one series.
func collectUpstreams(put func(int, float64, ...string), all []Upstream) {
	sums := map[string]*Upstream{}
	var names []string
	for _, u := range all {
		sum := sums[u.Name]
		if sum == nil {
			sum = &Upstream{Name: u.Name, Health: u.Health}
			sums[u.Name] = sum
			names = append(names, u.Name)
		}
		sum.Connections += u.Connections
		sum.Connects += u.Connects
		sum.Failures += u.Failures
		sum.BytesUp += u.BytesUp
		sum.BytesDown += u.BytesDown
		if u.Health != host.Up.String() {
			sum.Health = u.Health
		}
	}
	for _, name := range names {
		u := sums[name]
		for h := host.Up; h <= host.Unfit; h++ {
			put(mUpHealth, one(h.String() == u.Health), name, h.String())
		}
		put(mUpConns, float64(u.Connections), name)
		put(mUpConnects, float64(u.Connects), name)
		put(mUpFailures, float64(u.Failures), name)
		put(mUpBytes, float64(u.BytesUp), name, "up")
		put(mUpBytes, float64(u.BytesDown), name, "down")
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// stats answers a scraper: the program's metrics, those of its process and of Go.
func (s *Server) stats() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(&s.Program), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
	})
}
