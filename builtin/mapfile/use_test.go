package mapfile_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/mapfile"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// word makes words of arguments.
func words(texts ...string) []sdk.Word {
	var all []sdk.Word
	for _, text := range texts {
		all = append(all, sdk.Word{Text: text})
	}
	return all
}

// builder declares the map tenants with a file and lines of its block.
func builder(t testing.TB, file string, options ...string) *hosttest.Builder {
	t.Helper()
	n := sdk.Node{Name: "map", Args: words("tenants", file)}
	for _, line := range options {
		all := strings.Fields(line)
		n.Block = append(n.Block, sdk.Node{Name: all[0], Args: words(all[1:]...)})
	}
	b := &hosttest.Builder{Options: []sdk.Node{n}}
	t.Cleanup(b.Release)
	return b
}

// file writes a map's file.
func file(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tenants")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const lines = "app.example.com gold\n*.example.com silver\n"

// known are facts of earlier phases.
type known map[string]string

func (k known) Get(name string) (string, bool) { v, ok := k[name]; return v, ok }
func (known) Set(string, []byte)               {}

func matcher(t testing.TB, b host.Builder, args ...string) sdk.Matcher {
	t.Helper()
	m, err := mapfile.NewMatcher(b, &sdk.Node{Name: "map", Args: words(append([]string{"tenants"}, args...)...)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTheMatcherSaysWhatTheMapHas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, fallback string
		values         []string
		facts          known
		want           string
	}{
		{"{tls.server_name}", "close", nil, known{"tls.server_name": "app.example.com"}, `yes tenants="gold"`},
		{"{l4.tls.server_name}", "close", nil, known{"tls.server_name": "x.example.com"}, `yes tenants="silver"`},
		{"{tls.server_name}", "close", []string{"silver", "gold"}, known{"tls.server_name": "app.example.com"}, `yes tenants="gold"`},
		{"{tls.server_name}", "close", []string{"silver"}, known{"tls.server_name": "app.example.com"}, "no"},
		{"{tls.server_name}", "close", nil, known{"tls.server_name": "example.net"}, "no"},
		{"{tls.server_name}", "tin", nil, known{"tls.server_name": "example.net"}, `yes tenants="tin"`},
		{"{tls.server_name}", "tin", []string{"tin"}, known{"tls.server_name": "example.net"}, `yes tenants="tin"`},
		{"{tls.server_name}", "tin", []string{"gold"}, known{"tls.server_name": "example.net"}, "no"},
		{"{tls.server_name}", "close", nil, known{}, "unknown"},
		{"{tls.server_name}", "tin", nil, known{}, "unknown"},
		{"{vars.name}", "close", nil, known{}, "no"},
		{"{vars.name}.example.com", "close", nil, known{"vars.name": "app"}, `yes tenants="gold"`},
		{"{vars.name}.{vars.zone}", "close", nil, known{"vars.name": "app", "vars.zone": "example.com"}, `yes tenants="gold"`},
		{"{vars.name}.{tls.zone}", "close", nil, known{"vars.name": "app"}, "unknown"},
	} {
		m := matcher(t, builder(t, file(t, lines), "from "+c.from, "default "+c.fallback), c.values...)
		f := matchtest.TCP()
		f.Bind(c.facts)
		if got := matchtest.Ask(m, &f).String(); got != c.want {
			t.Errorf("from %s, default %s, values %v, facts %v: %s, want %s", c.from, c.fallback, c.values, c.facts, got, c.want)
		}
		matchtest.Laws(t, m, f, nil, []byte("hello"))
	}
}

func TestWhatTheMatcherReadsAndSetsIsKnownAtLoad(t *testing.T) {
	t.Parallel()
	m := matcher(t, builder(t, file(t, lines), "from {l4.vars.name}.{tls.zone}"))
	if diff := cmp.Diff([]string{"vars.name", "tls.zone"}, m.(sdk.FactReader).Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"map.tenants"}, m.(sdk.FactSetter).Sets()); diff != "" {
		t.Errorf("sets (-want +got):\n%s", diff)
	}
	for what, part := range map[string]any{"matcher": m, "handler": handler(t, builder(t, file(t, lines), "from {vars.name}"))} {
		if _, ok := part.(host.Actor); ok {
			t.Errorf("the %s is an actor: the map is followed once for each of its uses", what)
		}
	}
}

func TestTheMatcherAllocatesNothing(t *testing.T) {
	f := matchtest.TCP()
	f.Bind(known{"tls.server_name": "x.example.com"})
	matchtest.Allocs(t, matcher(t, builder(t, file(t, lines), "from {tls.server_name}"), "gold", "silver"), f, []byte("hello"))
}

func handler(t testing.TB, b host.Builder) host.Handler {
	t.Helper()
	h, err := mapfile.NewHandler(b, &sdk.Node{Name: "map", Args: words("tenants")})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestTheHandlerGivesTheValueOrCloses asks for the value of the client's address.
func TestTheHandlerGivesTheValueOrCloses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, from, fallback, want, err string }{
		{"127.0.0.0/8 home", "{conn.remote_ip}", "close", "home", ""},
		{"127.0.0.0/8 home", "{l4.conn.remote_addr}", "close", "home", ""},
		{"10.0.0.0/8 x", "{conn.remote_ip}", "away", "away", ""},
		{"10.0.0.0/8 x", "{vars.none}", "away", "away", ""},
		{"10.0.0.0/8 x", "{conn.remote_ip}", "close", "", `looking up in map tenants: it has no value for "127.0.0.1"`},
		{"10.0.0.0/8 x", "{vars.none}", "close", "", "looking up in map tenants: expanding {vars.none}: the connection has no such fact"},
	} {
		b := builder(t, file(t, c.text), "from "+c.from, "keys addresses", "default "+c.fallback)
		s := hosttest.Serve(t, handler(t, b), func(_ context.Context, conn host.Conn) error {
			value, _ := conn.Get("map.tenants")
			_, err := fmt.Fprintln(conn.Net(), value)
			return err
		})
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := bufio.NewReader(conn).ReadString('\n')
		_ = conn.Close()
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s, from %s, default %s: %q, want %q", c.text, c.from, c.fallback, got, c.want)
		}
		o := s.Outcome(t)
		if text := fmt.Sprint(o.Err); c.err != "" && (o.Code.String() != "proxy.handling.closed" || text != c.err) {
			t.Errorf("%s, from %s: ended %s, %s, want %s", c.text, c.from, o.Code, text, c.err)
		}
		if len(b.Read) != 1 || len(b.Supplied) != 1 || b.Supplied[0] != "map.tenants" {
			t.Errorf("reads %v, supplies %v", b.Read, b.Supplied)
		}
	}
}

func TestABrokenFileIsAnErrorForTheFirstConfiguration(t *testing.T) {
	t.Parallel()
	name := file(t, lines)
	b := builder(t, name, "from {tls.server_name}")
	nodes := b.Global("map")
	if err := mapfile.Check(b, nodes); err != nil || len(b.Warnings) > 0 {
		t.Fatalf("%v, %v", err, b.Warnings)
	}
	if err := os.WriteFile(name, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := builder(t, name, "from {tls.server_name}")
	if err := mapfile.Check(fresh, fresh.Global("map")); err == nil {
		t.Error("a broken file was taken by a configuration that is the first one")
	}
}
