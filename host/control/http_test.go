package control_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
)

func handle(p control.Program, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s := &control.Server{Program: p, Log: slog.New(slog.DiscardHandler)}
	s.Handler().ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
	return w
}

func TestWrongRequestsSayWhatToAskInstead(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]struct {
		code int
		text string
	}{
		"GET /nothing":             {http.StatusNotFound, "GET /status"},
		"GET /reload":              {http.StatusNotFound, "POST /reload"},
		"POST /status":             {http.StatusNotFound, "GET /status"},
		"GET /decisions?last=many": {http.StatusBadRequest, "write ?last=20"},
		"DELETE /connections/x":    {http.StatusBadRequest, "GET /connections lists them"},
		"DELETE /connections/99":   {http.StatusNotFound, "no connection 99"},
	} {
		method, path, _ := strings.Cut(request, " ")
		w := handle(program(), method, path)
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d %s", request, w.Code, w.Body)
		}
	}
}

func TestStatsAreInPrometheusText(t *testing.T) {
	t.Parallel()
	p := program()
	e := &fake{engine.Stats{
		Accepted: 8, Phases: map[host.Phase]int{host.InRelay: 1}, Budget: 400, Up: 10, Down: 20, MatchingTimeouts: 3, AcceptPauses: 4, HeadBytes: 2048,
		Loops:        loop.Stats{Waiting: 16, Connecting: 17, Links: 18, Pipes: 19, Kept: 20},
		LinesDropped: 5, LinesSuppressed: 6, Panics: 7, ClientBytes: 21, ClientMemory: 22, Crowds: 23,
		Refused:     map[string]uint64{"max_connections": 11, "descriptors": 14},
		Evicted:     map[string]uint64{"client_memory": 24},
		Listeners:   []engine.ListenerStats{{Name: ":443", Accepted: 8, Active: 1}, {Name: ":80", Accepted: 4}, {Name: ":443", Accepted: 2, Active: 3}},
		Generations: []engine.GenerationStats{{Number: 1}, {Number: 2}},
	}}
	e.stats.Ended[host.Code{By: host.ByClient, In: host.InRelay, Why: host.Closed}.Index()] = 11
	p.Engine = e
	p.Upstreams = func() []upstream.State {
		return []upstream.State{
			{Name: "10.0.0.1:1", Health: upstream.Up, Conns: 1, Connects: 2, Failures: 3, BytesUp: 4, BytesDown: 5},
			{Name: "10.0.0.1:1", Health: upstream.Out, Conns: 10, Connects: 20, Failures: 30, BytesUp: 40, BytesDown: 50},
		}
	}
	p.Maps = func() []control.MapTable {
		return []control.MapTable{{Name: "m", About: func() control.Map { return control.Map{Name: "m", Keys: 1, Changes: 2, Versions: 3, Failures: 4} }}}
	}
	p.Names = func() []names.Stats {
		return []names.Stats{{For: "clients", Running: 1, Waiting: 2, Answered: 3, Failed: 4, Kept: 5, Rejected: 6}}
	}
	body, err := io.ReadAll(handle(p, http.MethodGet, "/stats").Body)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "dwaar_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`dwaar_accept_pauses_total 4`,
		`dwaar_accepted_total{listener=":443"} 10`,
		`dwaar_accepted_total{listener=":80"} 4`,
		`dwaar_client_memory_bytes 21`,
		`dwaar_client_memory_limit_bytes 22`,
		`dwaar_clients 23`,
		`dwaar_connection_limit 400`,
		`dwaar_connections{listener=":443"} 4`,
		`dwaar_connections{listener=":80"} 0`,
		`dwaar_connections_in_phase{phase="relay"} 1`,
		`dwaar_evicted_total{cap="client_memory"} 24`,
		`dwaar_generation 2`,
		`dwaar_head_bytes 2048`,
		`dwaar_info{version="v1"} 1`,
		`dwaar_log_lines_dropped_total 5`,
		`dwaar_log_lines_suppressed_total 6`,
		`dwaar_loop_buffers 20`,
		`dwaar_loop_connections{state="connecting"} 17`,
		`dwaar_loop_connections{state="relayed"} 18`,
		`dwaar_loop_connections{state="waiting"} 16`,
		`dwaar_loop_pipes 19`,
		`dwaar_map_changes{map="m"} 2`,
		`dwaar_map_keys{map="m"} 1`,
		`dwaar_map_versions_total{map="m",result="failed"} 4`,
		`dwaar_map_versions_total{map="m",result="ok"} 3`,
		`dwaar_matching_timeouts_total 3`,
		`dwaar_name_lookups{for="clients",state="running"} 1`,
		`dwaar_name_lookups{for="clients",state="waiting"} 2`,
		`dwaar_names_total{for="clients",result="answered"} 3`,
		`dwaar_names_total{for="clients",result="failed"} 4`,
		`dwaar_names_total{for="clients",result="kept"} 5`,
		`dwaar_names_total{for="clients",result="rejected"} 6`,
		`dwaar_panics_total 7`,
		`dwaar_plugin_compilations_total{result="cached"} 3`,
		`dwaar_plugin_evaluations_total{plugin="mc"} 9`,
		`dwaar_plugin_failures_total{kind="trap",plugin="mc"} 2`,
		`dwaar_plugin_fuel_total{plugin="mc"} 400`,
		`dwaar_plugin_records_total{plugin="mc",result="dropped"} 1`,
		`dwaar_plugin_records_total{plugin="mc",result="written"} 8`,
		`dwaar_plugin_shadow_total{plugin="mc",result="agreed"} 7`,
		`dwaar_refused_total{cap="descriptors"} 14`,
		`dwaar_refused_total{cap="max_connections"} 11`,
		`dwaar_relayed_bytes_total{direction="down"} 20`,
		`dwaar_relayed_bytes_total{direction="up"} 10`,
		`dwaar_reloads_total{result="failed"} 1`,
		`dwaar_reloads_total{result="ok"} 3`,
		`dwaar_terminations_total{by="client",phase="relay",why="closed"} 11`,
		`dwaar_upstream_bytes_total{direction="down",upstream="10.0.0.1:1"} 55`,
		`dwaar_upstream_bytes_total{direction="up",upstream="10.0.0.1:1"} 44`,
		`dwaar_upstream_connections{upstream="10.0.0.1:1"} 11`,
		`dwaar_upstream_connects_total{upstream="10.0.0.1:1"} 22`,
		`dwaar_upstream_failures_total{upstream="10.0.0.1:1"} 33`,
		`dwaar_upstream_health{health="out",upstream="10.0.0.1:1"} 1`,
		`dwaar_upstream_health{health="trial",upstream="10.0.0.1:1"} 0`,
		`dwaar_upstream_health{health="unchecked",upstream="10.0.0.1:1"} 0`,
		`dwaar_upstream_health{health="unhealthy",upstream="10.0.0.1:1"} 0`,
		`dwaar_upstream_health{health="up",upstream="10.0.0.1:1"} 0`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, other := range []string{"go_goroutines ", "process_open_fds "} {
		if !strings.Contains(string(body), other) {
			t.Errorf("%s is missing", other)
		}
	}
}
