package session

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin/closer"
	"dwaar.dev/dwaar/builtin/proxyprotocol"
	"dwaar.dev/dwaar/builtin/subroute"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/internal/prefix"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// acts are what a driver is asked to do for a client that sends text at once: all of it is
// there with the first receive. last is the final act before the end.
func acts(t *testing.T, config, text string) (did []Do, last Act) {
	t.Helper()
	var r host.Registry
	up := upstream.New("u", upstream.Options{})
	r.Matcher(sdk.Spec{Name: "prefix", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Facts: []sdk.Fact{{Key: "is"}}}, prefix.New)
	r.Handler(sdk.Spec{Name: "plan", Ends: true}, func(host.Builder, *sdk.Node) (host.Handler, error) {
		return &plans{up, func() int { return 4 }}, nil
	})
	r.Handler(sdk.Spec{Name: "handle"}, func(host.Builder, *sdk.Node) (host.Handler, error) { return handles{}, nil })
	r.Handler(proxyprotocol.Spec(), proxyprotocol.New)
	r.Handler(subroute.Spec(), subroute.New)
	r.Handler(closer.Spec(), closer.New)
	tree, err := dwaarfile.Parse("Dwaarfile", []byte("layer4 {\n:1 {\n"+config+"\n}\n}\n"), graph.Grammar(&r), dwaarfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(tree, &r, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := new(trial)
	f := sdk.Flow{Network: "tcp", Accepted: time.Unix(1000, 0), MaxHead: 1024, Remote: netip.MustParseAddrPort("192.0.2.9:9")}
	x.Init(&Env{Heads: new(Heads), Log: slog.New(slog.DiscardHandler)}, x, &Begin{ID: 1, Flow: f, Routes: g.Servers[0].Routes(), Graph: g})
	act := x.tell(Input{Event: Began})
	for {
		did = append(did, act.Do)
		switch act.Do {
		case Receive:
			last, act = act, x.tell(Input{Event: Received, N: copy(act.Bytes, text)})
		case Dial:
			last, act = act, x.tell(Input{Event: Connected, N: len(act.Bytes)})
		case Relay:
			last, act = act, x.tell(Input{Event: Relayed, Result: relay.Result{}})
		case Close:
			last, act = act, x.tell(Input{Event: Closed})
		case Land:
			last, act = act, x.tell(Input{Event: Returned})
		default:
			return did, last
		}
		if len(did) > 20 {
			t.Fatalf("it goes round: %v", did)
		}
	}
}

// TestAHeaderCostsNoCall compares what a driver does for a client with a header in front of
// its first bytes, taken off in different places, with what it does without: each act is a
// system call or more, and none is the start of a goroutine.
func TestAHeaderCostsNoCall(t *testing.T) {
	t.Parallel()
	const header = "PROXY TCP4 198.51.100.7 192.0.2.1 4660 443\r\n"
	want, _ := acts(t, "@p prefix pp\nroute @p {\nplan\n}", "ppp")
	if !slices.Equal(want, []Do{Receive, Dial, Relay, Nothing}) {
		t.Fatalf("without a header: %v", want)
	}
	for name, config := range map[string]string{
		"before the routes":  "route {\nproxy_protocol\n}\n@p prefix pp\nroute @p {\nplan\n}",
		"before an upstream": "route {\nproxy_protocol\nplan\n}",
		"in a route":         "@h prefix PROXY\nroute @h {\nproxy_protocol\nplan\n}",
		"before a subroute":  "route {\nproxy_protocol\nsubroute {\n@q prefix q\nroute @q {\nplan\n}\n}\n}\n@p prefix pp\nroute @p {\nplan\n}",
		"in a subroute":      "route {\nsubroute {\n@h prefix PROXY\nroute @h {\nproxy_protocol\n}\n@p prefix pp\nroute @p {\nplan\n}\n}\n}",
	} {
		if got, _ := acts(t, config, header+"ppp"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestASessionLandsWhereAGoroutineIsNeeded also looks at ends that need none.
func TestASessionLandsWhereAGoroutineIsNeeded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config string
		want   []Do
		reset  bool
	}{
		{"route {\nhandle\n}", []Do{Land, Close, Nothing}, false},
		{"route {\nproxy_protocol\nhandle\n}", []Do{Receive, Land, Close, Nothing}, false},
		{"route {\nclose\n}", []Do{Close, Nothing}, false},
		{"route {\nclose reset\n}", []Do{Close, Nothing}, true},
		{"route {\nproxy_protocol\n}\n@p prefix pp\ndeny @p reset", []Do{Receive, Close, Nothing}, true},
		{"route {\nsubroute {\nroute {\nproxy_protocol\n}\n@p prefix pp\nroute @p {\nclose reset\n}\n}\n}", []Do{Receive, Close, Nothing}, true},
		{"route {\nproxy_protocol\n}", []Do{Receive, Close, Nothing}, false},
	} {
		if got, last := acts(t, c.config, "pp"); !slices.Equal(got, c.want) || last.Reset != c.reset {
			t.Errorf("%s: %v, reset %v", c.config, got, last.Reset)
		}
	}
}
