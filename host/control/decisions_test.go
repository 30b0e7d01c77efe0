package control_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// knowing is an engine that can explain its first decision.
type knowing struct{ deciding }

func (*knowing) Explain(d *engine.Decision) (*explain.Phase, error) {
	if d.ID == 7 {
		return &explain.Phase{On: "the first bytes", Bytes: 2}, nil
	}
	return nil, errors.New("its configuration is gone")
}

func knowingProgram() control.Program {
	p := program()
	p.Engine = &knowing{deciding{decisions: []engine.Decision{
		{
			ID: 7, Time: at(), Generation: 3, Upstream: "10.0.0.1:1", Facts: map[string]string{"tls.server_name": "a"}, More: 4, Head: []byte{0x16, 3},
			Asked: []route.Asked{{Matcher: "tls", Answer: sdk.Answer{Verdict: sdk.Yes}}, {Matcher: "ssh", Answer: sdk.Answer{Verdict: sdk.No}}},
			Took:  250 * time.Millisecond, Ended: true, Code: host.Code{By: host.ByUpstream, In: host.InConnect, Why: host.Refused},
		},
		{ID: 8, Time: at()},
	}}}
	return p
}

func TestADecisionIsShownWithAllThatIsKnownOfItWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, knowingProgram()), t.Context()
	short := control.Decision{
		ID: 7, Time: at(), Generation: 3, Upstream: "10.0.0.1:1", Facts: map[string]string{"tls.server_name": "a"}, Seconds: 0.25,
		Code: "upstream.connect.refused",
	}
	long := short
	long.Matchers = []control.Asked{{Matcher: "tls", Answer: "yes"}, {Matcher: "ssh", Answer: "no"}}
	long.More, long.Head, long.Why = 4, "1603", &explain.Phase{On: "the first bytes", Bytes: 2}
	other := control.Decision{ID: 8, Time: at()}
	forgotten := other
	forgotten.NoWhy = "its configuration is gone"

	all, err := c.Decisions(ctx, 2, false)
	equal(t, "without details", []control.Decision{short, other}, all, err)
	all, err = c.Decisions(ctx, 2, true)
	equal(t, "with details", []control.Decision{long, forgotten}, all, err)
	for id, want := range map[uint64]control.Decision{7: long, 8: forgotten} {
		one, err := c.Decision(ctx, id)
		equal(t, "one", want, one, err)
	}
}

func TestWhatIsAskedOfDecisionsIsReadExactly(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]struct {
		code int
		text string
	}{
		"/decisions/x":            {http.StatusBadRequest, `{"error":"\"x\" is no id of a connection: GET /decisions lists them"}`},
		"/decisions/9":            {http.StatusNotFound, `{"error":"there is no decision about connection 9 among the last 2: GET /decisions lists them"}`},
		"/decisions?details=1":    {http.StatusBadRequest, `{"error":"details=1: write ?details=true or leave it out"}`},
		"/decisions?last=x":       {http.StatusBadRequest, `{"error":"last=x is no number: write ?last=20"}`},
		"/decisions?details=":     {http.StatusOK, ""},
		"/decisions?details=true": {http.StatusOK, ""}, "/decisions?details=false": {http.StatusOK, ""},
		"/decisions/18446744073709551615": {http.StatusNotFound, `{"error":"there is no decision about connection 18446744073709551615 among the last 2: GET /decisions lists them"}`},
	} {
		w := handle(knowingProgram(), http.MethodGet, request)
		if got := strings.TrimSuffix(w.Body.String(), "\n"); w.Code != want.code || want.text != "" && got != want.text {
			t.Errorf("%s: %d %s, want %d %s", request, w.Code, got, want.code, want.text)
		}
		if want.code == http.StatusOK {
			var all []control.Decision
			if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
				t.Errorf("%s: %v", request, err)
			}
			if got := all[0].Why != nil; got != strings.HasSuffix(request, "true") {
				t.Errorf("%s: explained: %v", request, got)
			}
		}
	}
}

// The directories are those that there are: none of the service, none of the user.
func TestWithoutDirectoriesOfItsOwnThePathIsTheSystems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service, user string
		want          []string
	}{
		{"", "", []string{"/run/dwaar.sock"}},
		{"/run/a", "", []string{"/run/a/dwaar.sock", "/run/dwaar.sock"}},
		{"", "/run/user/1", []string{"/run/dwaar.sock", "/run/user/1/dwaar.sock"}},
	} {
		env := map[string]string{"RUNTIME_DIRECTORY": c.service, "XDG_RUNTIME_DIR": c.user}
		if diff := cmp.Diff(c.want, control.Paths(func(name string) string { return env[name] })); diff != "" {
			t.Errorf("%q, %q (-want +got):\n%s", c.service, c.user, diff)
		}
	}
}

// A map is found by its name among others, and asked for an empty key too.
func TestTheMapThatIsNamedIsAsked(t *testing.T) {
	t.Parallel()
	p := program()
	first, second := tenants(), tenants()
	second.Name = "users"
	second.Find = func(key string) ([]byte, bool) { return []byte("of " + key), true }
	p.Maps = func() []control.MapTable { return []control.MapTable{first, second} }
	for request, want := range map[string]string{
		"/maps/users?key=b": `{"key":"b","value":"of b"}`, "/maps/users?key=": `{"key":"","value":"of "}`, "/maps/tenants": "a.example.com 10.0.0.1:1",
		"/maps/x": `{"error":"there is no map x: there are tenants, users"}`,
	} {
		w := handle(p, http.MethodGet, request)
		if got := strings.TrimSuffix(w.Body.String(), "\n"); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
		if text := w.Header().Get("Content-Type") == "text/plain; charset=utf-8"; text != (request == "/maps/tenants") {
			t.Errorf("%s comes as %s", request, w.Header().Get("Content-Type"))
		}
	}
}
