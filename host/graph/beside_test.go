package graph

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// noted is a handler that writes down that it was called.
type noted struct {
	name string
	to   *[]string
	stop bool // does not call next
}

func (n noted) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	*n.to = append(*n.to, n.name)
	if n.stop {
		return nil
	}
	return next(ctx, c)
}

// besides builds a server whose handlers keep chains beside their own, and returns these.
func besides(t *testing.T, called *[]string, text string) ([]host.Chain, error) {
	t.Helper()
	r := testRegistry()
	var chains []host.Chain
	for _, name := range []string{"go", "stop"} {
		r.Handler(sdk.Spec{Name: name, Args: []sdk.Arg{sdk.One("NAME", sdk.Free)}, Ends: name == "stop"},
			func(_ host.Builder, n *sdk.Node) (host.Handler, error) {
				return noted{n.Args[0].Text, called, name == "stop"}, nil
			})
	}
	r.Handler(sdk.Spec{Name: "beside", Ends: true, Need: true, Block: &sdk.Block{Holds: sdk.HoldsHandlers}},
		func(b host.Builder, n *sdk.Node) (host.Handler, error) {
			chains = append(chains, b.Handlers(n.Block))
			return noted{"beside", called, true}, nil
		})
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(text), Grammar(r), dwaarfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := Build(tree, r, Options{})
	if err == nil {
		t.Cleanup(g.Release)
	}
	return chains, err
}

func TestAChainBesideARouteRunsItsHandlersInOrder(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]struct {
		called []string
		ends   bool
	}{
		"go a\ngo b":         {[]string{"a", "b"}, false},
		"go a\nstop b":       {[]string{"a", "b"}, true},
		"stop a":             {[]string{"a"}, true},
		"go a\ngo b\nstop c": {[]string{"a", "b", "c"}, true},
	} {
		var called []string
		chains, err := besides(t, &called, server("route {\nbeside {\n"+block+"\n}\n}"))
		if err != nil || len(chains) != 1 {
			t.Fatalf("%q: %d chains, %v", block, len(chains), err)
		}
		if err := chains[0].Run(t.Context(), nil); err != nil {
			t.Errorf("%q: %v", block, err)
		}
		if diff := cmp.Diff(want.called, called); diff != "" {
			t.Errorf("%q (-want +got):\n%s", block, diff)
		}
		if chains[0].Ends() != want.ends {
			t.Errorf("%q ends: %v", block, chains[0].Ends())
		}
		if got := chains[0].String(); got != block {
			t.Errorf("%q is printed as %q", block, got)
		}
	}
}

// What is known in a route is known beside it, and what is wrong there is said.
func TestAChainBesideARouteKnowsTheFactsOfItsRoute(t *testing.T) {
	t.Parallel()
	var called []string
	if _, err := besides(t, &called, server("@a prefix a\nroute @a {\nbeside {\nsay {prefix.is}\n}\n}")); err != nil {
		t.Error(err)
	}
	_, err := besides(t, &called, server("route {\nbeside {\nsay {prefix.is}\n}\n}"))
	if err == nil || !strings.Contains(err.Error(), "Dwaarfile:5:5: nobody supplies {prefix.is} here") {
		t.Errorf("reading what nobody supplies: %v", err)
	}
}
