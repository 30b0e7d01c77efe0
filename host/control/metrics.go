package control

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
)

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
	mLimit
	mEnded
	mBytes
	mTimeouts
	mRefused
	mEvicted
	mPauses
	mPanics
	mHeads
	mHeld
	mHeldLimit
	mCrowds
	mLoops
	mPipes
	mKept
	mDropped
	mSuppressed
	mReloads
	mUpHealth
	mUpConns
	mUpConnects
	mUpFailures
	mUpBytes
	mLookups
	mNames
	mEvaluations
	mFuel
	mFailures
	mShadow
	mRecords
	mCompilations
	mMapKeys
	mMapChanges
	mMapVersions
	mTeeCuts
	metricCount
)

func metrics() [metricCount]metric {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return [metricCount]metric{
		mInfo:       {"dwaar_info", "1, with the version of the program", gauge, []string{"version"}},
		mGeneration: {"dwaar_generation", "The number of the configuration that takes new connections", gauge, nil},
		mAccepted:   {"dwaar_accepted_total", "Connections accepted since the listener was opened, those refused included", counter, []string{"listener"}},
		mOpen:       {"dwaar_connections", "Connections open now, by the listener that accepted them", gauge, []string{"listener"}},
		mPhase:      {"dwaar_connections_in_phase", "Connections open now, by the phase they are in", gauge, []string{"phase"}},
		mLimit:      {"dwaar_connection_limit", "Connections that the descriptor limit allows", gauge, nil},
		mEnded:      {"dwaar_terminations_total", "Connections that ended: who ended them, in which phase, why", counter, []string{"by", "phase", "why"}},
		mBytes:      {"dwaar_relayed_bytes_total", "Bytes relayed: up from clients, down to them", counter, []string{"direction"}},
		mTimeouts:   {"dwaar_matching_timeouts_total", "Connections that were still undecided at matching_timeout", counter, nil},
		mRefused:    {"dwaar_refused_total", "Newcomers closed because a cap was reached, by cap", counter, []string{"cap"}},
		mEvicted:    {"dwaar_evicted_total", "Connections closed for others because their clients had most when a cap was reached, by cap", counter, []string{"cap"}},
		mPauses:     {"dwaar_accept_pauses_total", "Times accepting was paused because it failed, for want of descriptors above all", counter, nil},
		mPanics:     {"dwaar_panics_total", "Connections lost to a defect in the program: please report them", counter, nil},
		mHeads:      {"dwaar_head_bytes", "Bytes of memory that hold first bytes of connections now", gauge, nil},
		mHeld:       {"dwaar_client_memory_bytes", "Bytes of memory that connections hold which are not relayed yet: heads and unfinished handshakes", gauge, nil},
		mHeldLimit:  {"dwaar_client_memory_limit_bytes", "How many these may be: client_memory", gauge, nil},
		mCrowds:     {"dwaar_clients", "Clients with open connections, by address (IPv6: by /64)", gauge, nil},
		mLoops:      {"dwaar_loop_connections", "Connections in event loops now: waiting for bytes or a time, connecting, or relayed", gauge, []string{"state"}},
		mPipes:      {"dwaar_loop_pipes", "Pipes that event loops have open for splicing, two descriptors each", gauge, nil},
		mKept:       {"dwaar_loop_buffers", "Buffers of 16 KiB in which event loops keep what a receiver did not take", gauge, nil},
		mDropped:    {"dwaar_log_lines_dropped_total", "Log lines dropped because nobody read the log in time", counter, nil},
		mSuppressed: {"dwaar_log_lines_suppressed_total", "Access lines not written because there were too many in a second", counter, nil},
		mReloads:    {"dwaar_reloads_total", "Reloads, by result: ok or failed", counter, []string{"result"}},
		mUpHealth:   {"dwaar_upstream_health", "1 for the state an upstream is in: up, out, trial, unchecked or unhealthy", gauge, []string{"upstream", "health"}},
		mUpConns:    {"dwaar_upstream_connections", "Connections to an upstream now, attempts under way included", gauge, []string{"upstream"}},
		mUpConnects: {"dwaar_upstream_connects_total", "Attempts to connect to an upstream that succeeded", counter, []string{"upstream"}},
		mUpFailures: {"dwaar_upstream_failures_total", "Attempts to connect to an upstream that failed", counter, []string{"upstream"}},
		mUpBytes:    {"dwaar_upstream_bytes_total", "Bytes of ended connections: up to an upstream, down from it", counter, []string{"upstream", "direction"}},
		mLookups:    {"dwaar_name_lookups", "Lookups of host names now, by whose names they are, upstreams or clients: running or waiting", gauge, []string{"for", "state"}},
		mNames:      {"dwaar_names_total", "Names asked for: answered by a lookup, kept from one before, failed, or rejected because there were too many", counter, []string{"for", "result"}},

		mEvaluations:  {"dwaar_plugin_evaluations_total", "Times that matchers of a plugin were asked, those without an answer included", counter, []string{"plugin"}},
		mFuel:         {"dwaar_plugin_fuel_total", "Units of fuel that the matchers of a plugin took", counter, []string{"plugin"}},
		mFailures:     {"dwaar_plugin_failures_total", "Evaluations without an answer: trap, fuel, stack, shape, pointer, fail, exit or closed", counter, []string{"plugin", "kind"}},
		mShadow:       {"dwaar_plugin_shadow_total", "Evaluations that were copied for the shadow of a plugin: agreed, disagreed, unanswered or dropped", counter, []string{"plugin", "result"}},
		mRecords:      {"dwaar_plugin_records_total", "Evaluations of a plugin that were to be recorded: written or dropped", counter, []string{"plugin", "result"}},
		mCompilations: {"dwaar_plugin_compilations_total", "Modules whose machine code was needed: compiled, cached, failed; and damaged, those of the compiled whose kept code was", counter, []string{"result"}},

		mMapKeys:     {"dwaar_map_keys", "Keys of a map that lead to a value now", gauge, []string{"map"}},
		mMapChanges:  {"dwaar_map_changes", "Keys of a map that were set or deleted by command since its file was read", gauge, []string{"map"}},
		mMapVersions: {"dwaar_map_versions_total", "New versions of a map's file, by result: ok, or failed where it could not be used and the old one stays", counter, []string{"map", "result"}},

		mTeeCuts: {"dwaar_tee_cuts_total", "Branches of tee that were cut because they lagged behind, or could not begin for want of descriptors", counter, nil},
	}
}

// collector turns a program's counters into metrics when it is asked.
type collector struct {
	program *Program
	descs   [metricCount]*prometheus.Desc
	kinds   [metricCount]prometheus.ValueType
}

func newCollector(p *Program) *collector {
	c := &collector{program: p}
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

// put makes one value of a metric known.
type put func(m int, value float64, labels ...string)

// Collect asks the program.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	p := put(func(m int, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(c.descs[m], c.kinds[m], value, labels...)
	})
	about := c.program.About()
	p(mInfo, 1, about.Version)
	p(mReloads, float64(about.Reloads), "ok")
	p(mReloads, float64(about.FailedReloads), "failed")
	stats := c.program.Engine.Stats()
	p.engine(&stats)
	p.listeners(stats.Listeners)
	p.upstreams(c.program.Upstreams())
	if c.program.Names != nil {
		p.names(c.program.Names())
	}
	p.plugins(c.program.Plugins())
	p.maps(c.program.Maps())
	if c.program.TeeCuts != nil {
		p(mTeeCuts, float64(c.program.TeeCuts()))
	}
}

func (p put) engine(s *engine.Stats) {
	if n := len(s.Generations); n > 0 {
		p(mGeneration, float64(s.Generations[n-1].Number))
	}
	for phase, n := range s.Phases {
		p(mPhase, float64(n), phase.String())
	}
	for by, n := range s.Refused {
		p(mRefused, float64(n), by)
	}
	for by, n := range s.Evicted {
		p(mEvicted, float64(n), by)
	}
	p(mLimit, float64(s.Budget))
	p(mBytes, float64(s.Up), "up")
	p(mBytes, float64(s.Down), "down")
	p(mTimeouts, float64(s.MatchingTimeouts))
	p(mPauses, float64(s.AcceptPauses))
	p(mPanics, float64(s.Panics))
	p(mHeads, float64(s.HeadBytes))
	p(mHeld, float64(s.ClientBytes))
	p(mHeldLimit, float64(s.ClientMemory))
	p(mCrowds, float64(s.Crowds))
	p(mLoops, float64(s.Loops.Waiting), "waiting")
	p(mLoops, float64(s.Loops.Connecting), "connecting")
	p(mLoops, float64(s.Loops.Links), "relayed")
	p(mPipes, float64(s.Loops.Pipes))
	p(mKept, float64(s.Loops.Kept))
	p(mDropped, float64(s.LinesDropped))
	p(mSuppressed, float64(s.LinesSuppressed))
	for i, n := range s.Ended {
		if n > 0 {
			code := host.CodeAt(i)
			p(mEnded, float64(n), code.By.String(), code.In.String(), code.Why.String())
		}
	}
}

// listeners adds up those of one name, so that a scraper never sees a series twice.
func (p put) listeners(all []engine.ListenerStats) {
	var names []string
	accepted, open := map[string]int64{}, map[string]int64{}
	for _, l := range all {
		if _, ok := accepted[l.Name]; !ok {
			names = append(names, l.Name)
		}
		accepted[l.Name] += l.Accepted
		open[l.Name] += l.Active
	}
	for _, name := range names {
		p(mAccepted, float64(accepted[name]), name)
		p(mOpen, float64(open[name]), name)
	}
}

// upstreams adds up those of one name: two proxy lines with different options are
// two upstreams, and to a scraper one series. Of their states the worst counts.
func (p put) upstreams(all []upstream.State) {
	sums := map[string]*upstream.State{}
	var names []string
	for _, u := range all {
		sum := sums[u.Name]
		if sum == nil {
			sum = &upstream.State{}
			sums[u.Name] = sum
			names = append(names, u.Name)
		}
		sum.Health = max(sum.Health, u.Health)
		sum.Conns += u.Conns
		sum.Connects += u.Connects
		sum.Failures += u.Failures
		sum.BytesUp += u.BytesUp
		sum.BytesDown += u.BytesDown
	}
	for _, name := range names {
		u := sums[name]
		for h := upstream.Up; h <= upstream.Unfit; h++ {
			p(mUpHealth, one(h == u.Health), name, h.String())
		}
		p(mUpConns, float64(u.Conns), name)
		p(mUpConnects, float64(u.Connects), name)
		p(mUpFailures, float64(u.Failures), name)
		p(mUpBytes, float64(u.BytesUp), name, "up")
		p(mUpBytes, float64(u.BytesDown), name, "down")
	}
}

func (p put) names(all []names.Stats) {
	for _, s := range all {
		p(mLookups, float64(s.Running), s.For, "running")
		p(mLookups, float64(s.Waiting), s.For, "waiting")
		p(mNames, float64(s.Answered), s.For, "answered")
		p(mNames, float64(s.Kept), s.For, "kept")
		p(mNames, float64(s.Failed), s.For, "failed")
		p(mNames, float64(s.Rejected), s.For, "rejected")
	}
}

// plugins are as many series as the configuration names plugins.
func (p put) plugins(all Plugins) {
	for _, g := range all.Plugins {
		p(mEvaluations, float64(g.Evaluations), g.Name)
		p(mFuel, float64(g.Fuel), g.Name)
		for kind, n := range g.Failures {
			p(mFailures, float64(n), g.Name, kind)
		}
		for result, n := range g.Shadow {
			p(mShadow, float64(n), g.Name, result)
		}
		for result, n := range g.Records {
			p(mRecords, float64(n), g.Name, result)
		}
	}
	for result, n := range all.Compilations {
		p(mCompilations, float64(n), result)
	}
}

// maps are as many series as the configuration declares maps.
func (p put) maps(all []MapTable) {
	for i := range all {
		m := all[i].About()
		p(mMapKeys, float64(m.Keys), m.Name)
		p(mMapChanges, float64(m.Changes), m.Name)
		p(mMapVersions, float64(m.Versions), m.Name, "ok")
		p(mMapVersions, float64(m.Failures), m.Name, "failed")
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Metrics lists the program's own metrics for documentation: name, labels, meaning.
func Metrics() [][3]string {
	var rows [][3]string
	for _, m := range metrics() {
		rows = append(rows, [3]string{m.name, strings.Join(m.labels, ", "), m.help})
	}
	return rows
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
