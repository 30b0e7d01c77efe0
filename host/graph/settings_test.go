package graph

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/internal/prefix"
	"dwaar.dev/dwaar/sdk"
)

func TestOptionsSetWhatTheyName(t *testing.T) {
	t.Parallel()
	base := Limits{MatchingTimeout: 3 * time.Second, MaxHead: 16 << 10}
	with := func(change func(*Limits)) Limits {
		l := base
		change(&l)
		return l
	}
	for option, want := range map[string]Limits{
		"":                           base,
		"matching_timeout 5s":        with(func(l *Limits) { l.MatchingTimeout = 5 * time.Second }),
		"matching_timeout off":       with(func(l *Limits) { l.MatchingTimeout = 0 }),
		"max_head 256":               with(func(l *Limits) { l.MaxHead = 256 }),
		"max_head 1MiB":              with(func(l *Limits) { l.MaxHead = 1 << 20 }),
		"max_connections 1":          with(func(l *Limits) { l.MaxConnections = 1 }),
		"max_connections_per_ip 2":   with(func(l *Limits) { l.MaxConnectionsPerIP = 2 }),
		"max_connections_per_ip off": base,
		"max_matching 3":             with(func(l *Limits) { l.MaxMatching = 3 }),
	} {
		g := mustBuild(t, server(option+"\nroute {\nsay a\n}"))
		if diff := cmp.Diff(want, g.Servers[0].Limits); diff != "" {
			t.Errorf("%q (-want +got):\n%s", option, diff)
		}
		if off := strings.Contains(g.String(), "matching_timeout off"); off != (want.MatchingTimeout == 0) {
			t.Errorf("%q is printed as\n%s", option, g)
		}
	}
	for option, want := range map[string]Settings{
		"":                                 {GracePeriod: 30 * time.Second},
		"grace_period 1m":                  {GracePeriod: time.Minute},
		"grace_period 0s":                  {},
		"reload_drain 2s":                  {GracePeriod: 30 * time.Second, ReloadDrain: 2 * time.Second},
		"reload_drain off":                 {GracePeriod: 30 * time.Second},
		"grace_period 1s\nreload_drain 2s": {GracePeriod: time.Second, ReloadDrain: 2 * time.Second},
	} {
		want.CrowdV4, want.CrowdV6 = defaultCrowdV4, defaultCrowdV6
		g := mustBuild(t, "{\n"+option+"\n}\n"+server("route {\nsay a\n}"))
		if diff := cmp.Diff(want, g.Settings); diff != "" {
			t.Errorf("%q (-want +got):\n%s", option, diff)
		}
	}
}

func TestOptionsThatMeanNothingAreRefusedWithTheirBounds(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{
		"max_head 255":             "3:10: max_head 255 is out of bounds: write 256 to 1024KiB",
		"max_head 1048577":         "max_head 1048577 is out of bounds",
		"max_connections 0":        "3:17: max_connections 0 would take no connection: write a positive number",
		"max_connections_per_ip 0": "max_connections_per_ip 0 would take no connection",
		"max_matching 0":           "max_matching 0 would take no connection",
		"max_connections off":      "3:17:",
		"matching_timeout soon":    "3:18:",
		"nothing":                  "3:1:",
	} {
		_, err := build(server(option + "\nroute {\nsay a\n}"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", option, err, want)
		}
	}
}

// stands is a matcher that answers for one that fails.
type stands struct {
	prefix.Matcher
	yes bool
}

var errUnsafe = errors.New("it would let in whom it keeps out")

func (s stands) Substitute() (bool, error) { return s.yes, errUnsafe }

// denies is a handler that turns away.
type denies struct{ say }

func (denies) Denies() bool { return true }

// guards builds a server with matchers that answer yes, or no, where they fail.
func guards(text string) error {
	r := testRegistry()
	for _, name := range []string{"fails_yes", "fails_no"} {
		r.Matcher(sdk.Spec{Name: name}, func(*sdk.Node) (sdk.Matcher, error) { return stands{prefix.Matcher("a"), name == "fails_yes"}, nil })
	}
	r.Handler(sdk.Spec{Name: "deny", Ends: true}, func(host.Builder, *sdk.Node) (host.Handler, error) { return denies{say{ends: true}}, nil })
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(text), Grammar(r), dwaarfile.Options{})
	if err != nil {
		return err
	}
	g, err := Build(tree, r, Options{})
	if err != nil {
		return err
	}
	g.Release()
	return nil
}

// An answer in the place of a failed evaluation must not let anybody in: no where the
// route turns away, yes where it lets through, the other way round under a negation.
func TestAnAnswerInPlaceOfAFailureNeverLetsInWhomTheRouteKeepsOut(t *testing.T) {
	t.Parallel()
	for route, opens := range map[string]bool{
		"say a": true, "deny": false, "greet a": true, "greet a\nsay b": true, "greet a\ndeny": false,
		"subroute {\nroute {\nsay a\n}\n}": true, "subroute {\nroute {\ndeny\n}\n}\ndeny": false,
		"subroute {\n@x prefix x\nroute @x {\nsay a\n}\n}\ndeny": true,
	} {
		for _, yes := range []bool{true, false} {
			for negations := range 3 {
				matcher := map[bool]string{true: "fails_yes", false: "fails_no"}[yes]
				text := "@g " + strings.Repeat("not ", negations) + matcher + "\nroute @g {\n" + route + "\n}\nroute {\nsay b\n}"
				err := guards(server(text))
				matches := yes != (negations%2 == 1)
				mixed := strings.Contains(route, "@x") // some get through, and some are turned away
				want := matches == opens || mixed
				if got := err != nil && strings.Contains(err.Error(), errUnsafe.Error()); got != want {
					t.Errorf("%q is refused: %v (%v)", text, got, err)
				}
			}
		}
	}
}

// The message of a fact that nobody supplies says what there is instead.
func TestAFactThatNobodySuppliesHasAHint(t *testing.T) {
	t.Parallel()
	known := []string{"tls.server_name", "tls.version", "regexp.a.*", "vars.tenant"}
	for name, want := range map[string]string{
		"tls.sni":      "there are {tls.server_name}, {tls.version}",
		"http.host":    "name a matcher in the route's set, or a handler before this one, that sets it",
		"vars.tls.x":   "a name without braces is a variable, write {tls.x} for the fact",
		"vars.user":    "there are {vars.tenant}",
		"conn.nothing": "{conn.local_addr}",
		"regexp.b":     "there are {regexp.a.*}",
	} {
		if got := factHint(factSet(known), name); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]bool{
		"tls.version": true, "tls.sni": false, "regexp.a.1": true, "regexp.a.b": true, "regexp.b.1": false,
		"conn.id": true, "conn.nothing": false, "vars.other": false, "env.HOME": true,
	} {
		if got := knows(factSet(known), name); got != want {
			t.Errorf("%s is known: %v", name, got)
		}
	}
}
