package graph

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// guarded picks from a route whose set has these matchers, and a second one for
// everybody, byte by byte of a real client's first flight.
func guarded(t *testing.T, set, flight string, outer sdk.Facts) string {
	t.Helper()
	r := new(host.Registry)
	builtin.Register(r)
	text := server("@guarded {\n" + set + "\n}\nroute @guarded {\nclose\n}\nroute {\nclose\n}")
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(text), Grammar(r), dwaarfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := Build(tree, r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	head, err := os.ReadFile(filepath.Join("../../testdata/flights", flight+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	rs := g.Servers[0].Routes()
	f := &sdk.Flow{MaxHead: 16 << 10}
	m := rs.NewMemo(f, outer)
	defer rs.Forget(f, m)
	for n := 0; n <= len(head)+1; n++ {
		f.Head = head[:min(n, len(head))]
		route, need, err := rs.Pick(f, m, n > len(head))
		switch {
		case err != nil:
			t.Fatal(err)
		case route != nil && n > len(head):
			return fmt.Sprint(route.Name, " at the end")
		case route != nil:
			return route.Name
		case need == 0:
			t.Fatal("no route")
		}
	}
	return "undecided"
}

// What psql wants to say comes behind its request for TLS, what a client of HTTP/2 asks
// for behind its preface: neither is absent.
func TestAGuardDoesNotTakeWhatCannotBeReadForAbsent(t *testing.T) {
	t.Parallel()
	const other, guard = "", "@guarded"
	for _, test := range []struct{ set, flight, want string }{
		{"postgres\nnot vars {postgres.user} admin", "postgres/psql-prefer", other},
		{"postgres\nnot vars {postgres.user} admin", "postgres/psql-disable", guard},
		{"postgres\nnot vars {postgres.user} alice", "postgres/psql-disable", other},
		{"postgres\nnot vars_regexp {postgres.user} ^adm", "postgres/psql-gssenc", other},
		{"postgres\nnot vars_regexp {postgres.user} ^adm", "postgres/psql-cancel", other},
		{"http\nnot vars_regexp {http.path} ^/secret", "http/curl-http2", guard},
		{"http\nnot vars_regexp {http.path} ^/", "http/curl-http2", other},
		{"http\nnot {\nvars_regexp {http.path} ^/\n}", "http/nghttp", other},
		{"not {\nhttp\nvars {http.method} PUT\n}", "http/nghttp", guard},
		{"http\nnot vars {http.host} b.example", "http/nghttp", guard},
		{"http\nvars_regexp {http.host} example", "http/nghttp", guard},
		{"http\nnot vars_regexp {http.host} example", "http/nghttp", other},
		{"http\nvars_regexp {http.host} example", "http/curl-http1", guard},
		{"tls\nnot vars {tls.server_name} admin.example.com", "tls/openssl-no-sni", other},
		{"tls\nnot vars {tls.server_name} admin.example.com", "tls/openssl-tls13", guard},
		{"tls\nnot vars {tls.alpn} h2", "tls/gnutls-no-extensions", other},
	} {
		if diff := cmp.Diff(test.want, guarded(t, test.set, test.flight, nil)); diff != "" {
			t.Errorf("%s: %q (-want +got):\n%s", test.flight, test.set, diff)
		}
	}
}

// A client of gRPC sends nothing behind its preface before it is answered.
func TestOnlyRoutesThatReadARequestWaitForIt(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"http":                          "@guarded",
		"http\nnot vars {http.path} /x": " at the end",
	} {
		if got := guarded(t, set, "http/grpc-python", nil); got != want {
			t.Errorf("%q: %q, want %q", set, got, want)
		}
	}
}

type earlier map[string]string

func (e earlier) Get(name string) (string, bool) { v, ok := e[name]; return v, ok }
func (earlier) Set(string, []byte)               {}

func TestAFactOfAnEarlierPhaseDoesNotStandForOneThatCannotBeRead(t *testing.T) {
	t.Parallel()
	before := earlier{"postgres.user": "alice"}
	if got := guarded(t, "postgres\nvars {postgres.user} alice", "postgres/psql-prefer", before); got != "" {
		t.Errorf("picked %q", got)
	}
}
