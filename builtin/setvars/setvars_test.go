package setvars_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/setvars"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/sdk"
)

// load reads a vars directive as the loader does.
func load(t *testing.T, text string) (host.Handler, *hosttest.Builder, error) {
	t.Helper()
	g := &sdk.Grammar{
		Top:      []sdk.Spec{{Name: "route", Need: true, Block: &sdk.Block{Holds: sdk.HoldsHandlers}}},
		Handlers: []sdk.Spec{setvars.Spec()},
	}
	tree, err := dwaarfile.Parse("f", []byte("route {\n"+text+"\n}"), g, dwaarfile.Options{})
	if err == nil {
		err = schema.Check(tree, g, nil).Errors.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	b := &hosttest.Builder{}
	h, err := setvars.New(b, &tree[0].Block[0])
	return h, b, err
}

func TestVariablesAreSetInOrderAndMayBeMadeOfOthers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"vars tenant blue": {"vars.tenant": "blue"},
		"vars {\nzone eu\nname \"{vars.zone} {l4.conn.network}\"\nempty \"\"\n}": {
			"vars.zone": "eu", "vars.name": "eu tcp", "vars.empty": "",
		},
		"vars a 1 {\na 2\nvars 3\n}": {"vars.a": "2", "vars.vars": "3"},
	} {
		h, _, err := load(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		s := hosttest.Serve(t, h, func(context.Context, host.Conn) error { return nil })
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if _, got := s.Ended(t); !cmp.Equal(want, got) {
			t.Errorf("%q (-want +got):\n%s", text, cmp.Diff(want, got))
		}
	}
}

func TestTheLoaderLearnsWhatIsReadAndSupplied(t *testing.T) {
	t.Parallel()
	_, b, err := load(t, "vars {\na {tls.server_name}\nb {vars.a}{env.HOME}\n}")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tls.server_name", "vars.a", "env.HOME"}, b.Read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"vars.a", "vars.b"}, b.Supplied); diff != "" {
		t.Errorf("supplied (-want +got):\n%s", diff)
	}
}

func TestAConnectionWithoutTheFactEndsAndSoDoesOneWithoutRoom(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"vars a {tls.server_name}":                            "proxy.handling.failed setting a: expanding {tls.server_name}: the connection has no such fact",
		"vars a " + strings.Repeat("x", route.MaxFactBytes+1): "proxy.handling.cap setting a: the connection's facts are at their limit",
	} {
		h, _, err := load(t, text)
		if err != nil {
			t.Fatal(err)
		}
		s := hosttest.Serve(t, h, nil)
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		o := s.Outcome(t)
		if diff := cmp.Diff(want, o.Code.String()+" "+o.Err.Error()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		_ = conn.Close()
	}
}

func TestFaultsAreErrorsWithTheirPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"vars":                "f:2:1: vars sets nothing: write vars NAME VALUE, or a block of such lines",
		"vars a":              "f:2:6: vars a needs a value: write vars NAME VALUE",
		"vars \"a b\" c":      `f:2:6: vars: "a b" cannot name a variable: leave out spaces and braces`,
		"vars {\na\nb c d\n}": "f:3:1: a needs VALUE: write a VALUE\nf:4:5: b takes no further argument, \"d\" is one too many: write b VALUE",
		"vars {\na \"{x\"\n}": `f:3:3: "{x" has a brace without its partner: write a placeholder as {tls.server_name}`,
	} {
		_, _, err := load(t, text)
		if err == nil {
			t.Errorf("%q loads", text)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
