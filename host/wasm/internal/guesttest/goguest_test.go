package guesttest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// probe is an instance of testdata/probe, a Go guest that does what its head says.
func probe(t *testing.T, block []byte) (*guest, error) {
	t.Helper()
	realtest.Look(t, "go")
	g, err := load(t, buildGo(t, "host/wasm/internal/guesttest/testdata/probe"))
	if err != nil {
		t.Fatal(err)
	}
	g.budget = 1 << 30 // it is not fuel that these tests are about
	return g, g.configure(t.Context(), "", block)
}

func TestGoGuestsSeeTheWholeFlow(t *testing.T) {
	t.Parallel()
	g, err := probe(t, emptyBlock())
	if err != nil {
		t.Fatal(err)
	}
	inner := matchtest.TCP()
	inner.ServerName, inner.ALPN, inner.TLSVersion, inner.CipherSuite = "a.example.com", "h2", 0x304, 0x1301
	inner.Remote, inner.Proxied = netip.MustParseAddrPort("[2001:db8::1]:7"), true
	datagrams := matchtest.UDP()
	datagrams.Head, datagrams.Bounds = []byte("flow"), []int{1, 1, 4}
	for _, f := range []sdk.Flow{
		matchtest.TCP(), inner, datagrams,
		{Network: "unix", Listener: "unix//run/x.sock", MaxHead: 1, Accepted: time.Unix(0, 1)},
	} {
		f.Head = []byte("flow")
		want := fmt.Sprintf("%s %v %v %v %s %d %q %q %x %x %t %v", f.Network, f.Remote, f.Local, f.Accepted.UnixNano(),
			f.Listener, f.MaxHead, f.ServerName, f.ALPN, f.TLSVersion, f.CipherSuite, f.Proxied, f.Bounds)
		if diff := cmp.Diff(want, matchtest.Ask(g, &f).Facts["flow"]); diff != "" {
			t.Errorf("flow (-native +guest):\n%s", diff)
		}
	}
}

// Memory cannot grow after init: what a guest allocates was made ready before. One
// that takes more ends with an error, and the next evaluation knows nothing of it.
func TestGoGuestsAllocateWhatTheyMay(t *testing.T) {
	t.Parallel()
	g, err := probe(t, emptyBlock())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ head, want string }{
		{"small 400", "yes 400"},
		{"alloc 400", "yes 400"},
		{"alloc 400", "yes 400"},
		{"alloc 4000", "error"},
		{"alloc 400", "yes 400"},
	} {
		if got := ask(g, tt.head); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.head, got, tt.want)
		}
	}
}

func TestGoGuestsEndWithWhatTheySay(t *testing.T) {
	t.Parallel()
	g, err := probe(t, emptyBlock())
	if err != nil {
		t.Fatal(err)
	}
	for head, want := range map[string]string{
		"error broken table": "broken table",
		"panic at the disco": "at the disco",
	} {
		f := matchtest.TCP()
		f.Head = []byte(head)
		if r := matchtest.Ask(g, &f); r.Answer.Err == nil || !strings.Contains(r.Answer.Err.Error(), want) {
			t.Errorf("%s: %v", head, r)
		}
	}
	if got := ask(g, "nothing"); got != "no" {
		t.Errorf("then it says %s", got)
	}
}

func TestGoGuestsReadTheTimeOfTheConnection(t *testing.T) {
	t.Parallel()
	g, err := probe(t, emptyBlock())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ask(g, "now"), `yes 1 now="2025-06-05T12:30:00Z" since="0s"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// facts are what a connection knows.
type facts map[string]string

func (f facts) Get(name string) (string, bool) { v, ok := f[name]; return v, ok }
func (f facts) Set(string, []byte)             {}

func TestGoGuestsReadFactsOfAnyLength(t *testing.T) {
	t.Parallel()
	g, err := probe(t, emptyBlock())
	if err != nil {
		t.Fatal(err)
	}
	f := matchtest.TCP()
	f.Bind(facts{"vars.short": "x", "vars.long": strings.Repeat("x", 5000), "vars.empty": ""})
	for name, want := range map[string]string{"short": "1 true", "long": "5000 true", "empty": "0 true", "none": "0 false"} {
		f.Head = []byte("get vars." + name)
		if got := matchtest.Ask(g, &f).Facts["value"]; got != want {
			t.Errorf("vars.%s: %q, want %q", name, got, want)
		}
	}
}

func TestGoGuestsAreConfiguredWithANode(t *testing.T) {
	t.Parallel()
	block, err := abi.NewTokens().Word("a b").Word("").Open().
		Word("x").Word("1").Open().Word("deep").Line().Close().Line().Word("y").Line().Close().Block()
	if err != nil {
		t.Fatal(err)
	}
	g, err := probe(t, block)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ask(g, "config"), `yes 1 config=" a b {x 1{deep;};y;}"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestGoGuestsRejectAtTheirTokens(t *testing.T) {
	t.Parallel()
	g, err := probe(t, tokens(t, "a { bad b }"))
	if err == nil {
		t.Fatal("it was accepted")
	}
	want := []rejection{{3, "is bad"}, {-1, "and so is all"}}
	if diff := cmp.Diff(want, g.rejected); diff != "" {
		t.Errorf("rejections (-want +got):\n%s", diff)
	}
}

// The table of WASI's functions is right: an engine that has them all has these.
func TestFunctionsOfWASIAreThoseOfPreviewOne(t *testing.T) {
	t.Parallel()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	compiled, err := wasi_snapshot_preview1.NewBuilder(r).Compile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for name, f := range compiled.ExportedFunctions() {
		want = append(want, fmt.Sprint(name, f.ParamTypes(), f.ResultTypes()))
	}
	for _, i := range abi.Imports() {
		if i.Module == abi.ModuleWASI {
			got = append(got, fmt.Sprint(i.Name, types(i.Params), types(i.Results)))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions (-engine +table):\n%s", diff)
	}
}
