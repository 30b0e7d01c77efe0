package builtin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// TestARunOfServerNamesOverQUICIsRouted asks a run of routes, which is one lookup, about
// a hello in two datagrams, and looks at the facts under both of their names.
func TestARunOfServerNamesOverQUICIsRouted(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("layer4 {\n\t:1 {\n")
	for _, name := range []string{"a.example.com", "app.example.com", "*.example.com"} {
		fmt.Fprintf(&b, "\t\t@%s quic sni %s\n\t\troute @%s {\n\t\t\tclose\n\t\t}\n", strings.Trim(name, "*."), name, strings.Trim(name, "*."))
	}
	b.WriteString("\t}\n}\n")
	server := serverOf(t, b.String())
	f := matchtest.UDP()
	f.Head = flight(t, "quic/quic-go.1.bin")
	f.Bounds = []int{len(f.Head)}
	if x := server.Routes().Explain(&f, nil, false); x.Picked >= 0 || x.Need <= len(f.Head) {
		t.Errorf("half a hello: route %d, need %d", x.Picked, x.Need)
	}
	f.Head = append(f.Head, flight(t, "quic/quic-go.2.bin")...)
	f.Bounds = append(f.Bounds, len(f.Head))
	x := server.Routes().Explain(&f, nil, false)
	if x.Picked != 1 {
		t.Errorf("the whole hello: route %d, %v", x.Picked, x.Err)
	}
	want := map[string]string{
		"quic.version":         "v1",
		"quic.tls.server_name": "app.example.com", "tls.server_name": "app.example.com",
		"quic.tls.version": "tls1.3", "tls.version": "tls1.3",
		"quic.tls.alpn": "h3", "tls.alpn": "h3",
	}
	if diff := cmp.Diff(want, factsOf(x)); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestGroupsOfAServerNameAreFactsOfTheConnection(t *testing.T) {
	t.Parallel()
	server := serverOf(t, `layer4 {
	:1 {
		@a {
			tls sni_regexp host ^(?P<label>[a-z]+)\.example
			vars {tls.regexp.label} app
		}
		route @a {
			close
		}
	}
}
`)
	f := matchtest.TCP()
	f.Head = flight(t, "tls/curl-h2.bin")
	x := server.Routes().Explain(&f, nil, false)
	want := map[string]string{
		"tls.server_name": "app.example.com", "tls.version": "tls1.3", "tls.alpn": "h2,http/1.1",
		"tls.regexp.host.0": "app.example", "tls.regexp.host.1": "app", "tls.regexp.host.label": "app",
		"tls.regexp.0": "app.example", "tls.regexp.1": "app", "tls.regexp.label": "app",
	}
	if diff := cmp.Diff(want, factsOf(x)); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func serverOf(t *testing.T, config string) *graph.Server {
	t.Helper()
	r := registry()
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(config), graph.Grammar(r), dwaarfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(tree, r, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Release)
	return g.Servers[0]
}

func factsOf(x route.Explanation) map[string]string {
	facts := map[string]string{}
	for _, f := range x.Facts {
		facts[f.Name] = f.Value
	}
	return facts
}
