package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
)

// What only grows is a counter, and its name ends in _total; what goes up and down is a
// gauge: a scraper computes rates of one and not of the other.
func TestEveryMetricIsOfTheKindThatItsNameSays(t *testing.T) {
	t.Parallel()
	p := program()
	p.Upstreams = func() []upstream.State { return []upstream.State{{Name: "a:1"}} }
	e := &fake{engine.Stats{
		Phases: map[host.Phase]int{host.InRelay: 1}, Refused: map[string]uint64{"descriptors": 1}, Evicted: map[string]uint64{"client_memory": 1},
		Listeners: []engine.ListenerStats{{Name: ":1"}}, Generations: []engine.GenerationStats{{Number: 2}},
	}}
	e.stats.Ended[0] = 1
	p.Engine = e
	p.Names = func() []names.Stats { return []names.Stats{{For: "clients"}} }
	p.TeeCuts = func() uint64 { return 1 }
	p.Maps = func() []control.MapTable {
		return []control.MapTable{{Name: "m", About: func() control.Map { return control.Map{Name: "m"} }}}
	}
	kinds := map[string]string{}
	for line := range strings.Lines(handle(p, http.MethodGet, "/stats").Body.String()) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" && strings.HasPrefix(f[2], "dwaar_") {
			kinds[f[2]] = f[3]
		}
	}
	if n := len(control.Metrics()); n < len(kinds) || n == 0 {
		t.Errorf("%d metrics are documented, and there are %d", n, len(kinds))
	}
	for _, row := range control.Metrics() {
		want := "gauge"
		if strings.HasSuffix(row[0], "_total") {
			want = "counter"
		}
		if got := kinds[row[0]]; got != want {
			t.Errorf("%s is a %q, want a %s", row[0], got, want)
		}
	}
}

// Every field of an upstream has its own value on the way to the client.
func TestAnUpstreamIsShownWithItsValues(t *testing.T) {
	t.Parallel()
	p := program()
	p.Upstreams = func() []upstream.State {
		return []upstream.State{
			{Name: "b:1", Health: upstream.Out, Since: at(), Conns: 1, Fails: 2, Connects: 3, Failures: 4, BytesUp: 5, BytesDown: 6},
			{Name: "a:1", Health: upstream.Unfit, Since: at().Add(time.Hour), Conns: 11},
		}
	}
	got, err := serve(t, p).Upstreams(t.Context())
	equal(t, "upstreams", []control.Upstream{
		{Name: "b:1", Health: "out", Since: at(), Connections: 1, Fails: 2, Connects: 3, Failures: 4, BytesUp: 5, BytesDown: 6},
		{Name: "a:1", Health: "unhealthy", Since: at().Add(time.Hour), Connections: 11},
	}, got, err)
}

// deciding is an engine with other decisions.
type deciding struct {
	fake
	decisions []engine.Decision
}

func (d *deciding) Decisions() []engine.Decision { return d.decisions }
func (*deciding) Conns() []engine.ConnInfo       { return nil }

func TestWhyAHeadDidNotGrowIsSaidInAWord(t *testing.T) {
	t.Parallel()
	p := program()
	d := &deciding{}
	for _, err := range []error{
		fmt.Errorf("reading: %w", os.ErrDeadlineExceeded), fmt.Errorf("reading: %w", io.EOF), fmt.Errorf("reading: %w", host.ErrFull),
		errors.New("connection reset"), nil,
	} {
		d.decisions = append(d.decisions, engine.Decision{Final: err})
	}
	p.Engine = d
	all, err := serve(t, p).Decisions(t.Context(), 5, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range all {
		got = append(got, one.Final)
	}
	if diff := cmp.Diff([]string{"matching_timeout", "end of stream", "max_head", "connection reset", ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheLastDecisionsAreAsManyAsAreAskedFor(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]int{"": 3, "?last=0": 0, "?last=1": 1, "?last=3": 3, "?last=4": 3, "?last=2147483647": 3} {
		var got []control.Decision
		w := handle(program(), http.MethodGet, "/decisions"+query)
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got) != want {
			t.Errorf("%q: %d, %d decisions, %v, want %d", query, w.Code, len(got), err, want)
		} else if want > 0 && got[len(got)-1].ID != 3 {
			t.Errorf("%q: the latest one is missing", query)
		}
	}
	for _, wrong := range []string{"-1", "2147483648", "0x10", "1.5", "a"} {
		if w := handle(program(), http.MethodGet, "/decisions?last="+wrong); w.Code != http.StatusBadRequest || strings.Count(w.Body.String(), "\n") != 1 {
			t.Errorf("last=%s: %d %s", wrong, w.Code, w.Body)
		}
	}
}

// An empty list is a list, for programs that go over it.
func TestAListWithoutEntriesIsAnEmptyOne(t *testing.T) {
	t.Parallel()
	p := program()
	p.Engine = &deciding{}
	for _, path := range []string{"/connections", "/upstreams", "/decisions"} {
		w := handle(p, http.MethodGet, path)
		if got := w.Body.String(); w.Code != http.StatusOK || got != "[]\n" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %q as %s", path, got, w.Header().Get("Content-Type"))
		}
	}
}

func TestWhatWasAskedIsRepeatedInTheErrorAndAnsweredWithItsCode(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]struct {
		code int
		text string // what the answer begins with
	}{
		"PUT /x/y":               {http.StatusNotFound, `{"error":"PUT /x/y is nothing to ask: `},
		"DELETE /connections/5":  {http.StatusOK, "{}"},
		"DELETE /connections/-1": {http.StatusBadRequest, `{"error":"\"-1\" is no id of a connection: `},
		"POST /drain":            {http.StatusAccepted, "{}"},
		"POST /reload":           {http.StatusOK, `{"generation":4,`},
	} {
		method, path, _ := strings.Cut(request, " ")
		w := handle(program(), method, path)
		if w.Code != want.code || !strings.HasPrefix(w.Body.String(), want.text) {
			t.Errorf("%s: %d %s, want %d %s", request, w.Code, w.Body, want.code, want.text)
		}
	}
}

// A server whose listener is closed beneath it says so; one that was told to end does not.
func TestALostSocketIsAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	s := &control.Server{Program: program(), Log: slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(t.Context(), l) }()
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the server ended with %v", err)
	}
	again, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx, again); err != nil {
		t.Errorf("told to end it said %v", err)
	}
	if _, err := os.Lstat(again.Addr().String()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its socket is left: %v", err)
	}
}

// odd answers every request with the same.
func odd(t *testing.T, code int, text string) *control.Client {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return control.NewClient(l.Addr().String())
}

// Another program, or another version, may answer on a socket.
func TestAClientUnderstandsWhateverAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code int
		text string
		want string // in the error
	}{
		"an error":                 {500, `{"error":"no"}`, "no"},
		"the smallest error":       {400, `{"error":"no"}`, "no"},
		"an error without a text":  {502, `{"error":""}`, "it answered 502 Bad Gateway"},
		"no JSON":                  {404, "404 page not found", "it answered 404 Not Found"},
		"an answer that is cut":    {200, `{"version":`, "unexpected end of JSON"},
		"an answer of other kind":  {200, `[1]`, "cannot unmarshal"},
		"errors with their places": {422, `{"error":"x","errors":[{"file":"D","line":3,"col":4,"message":"wrong"}]}`, "D:3:4: wrong"},
	} {
		_, err := odd(t, tc.code, tc.text).Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
