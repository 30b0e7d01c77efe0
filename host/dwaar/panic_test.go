package dwaar_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/dwaar"
	"dwaar.dev/dwaar/sdk"
)

// broken is a matcher, a handler and a shared value whose actor panics.
type broken struct{}

func (broken) Match(*sdk.Flow) (sdk.Verdict, error) { return sdk.No, nil }

func (broken) Handle(ctx context.Context, c host.Conn, next host.Next) error { return next(ctx, c) }

func (broken) Run(context.Context) error { panic("of an actor") }

var _ host.Actor = broken{}

// fragile is what comes with dwaar, and parts that panic.
func fragile() *host.Registry {
	r := new(host.Registry)
	builtin.Register(r)
	named := func(name string) sdk.Spec {
		return sdk.Spec{Name: name, Doc: "Is broken", Args: []sdk.Arg{sdk.List("ANY", sdk.Free)}, Many: true}
	}
	share := func(b host.Builder, make func() (broken, error)) error {
		_, err := host.Share(b, "broken", make)
		return err
	}
	r.Matcher(named("matcher"), func(*sdk.Node) (sdk.Matcher, error) { panic("of a matcher") })
	r.BuiltMatcher(named("builder"), func(b host.Builder, n *sdk.Node) (sdk.Matcher, error) {
		return broken{}, share(b, func() (broken, error) { panic("of " + n.Args[0].Text) })
	})
	r.BuiltMatcher(named("actor"), func(b host.Builder, _ *sdk.Node) (sdk.Matcher, error) {
		return broken{}, share(b, func() (broken, error) { return broken{}, nil })
	})
	r.Matcher(named("runner"), func(*sdk.Node) (sdk.Matcher, error) { return broken{}, nil })
	r.Handler(named("handler"), func(host.Builder, *sdk.Node) (host.Handler, error) {
		var none []int
		return nil, fmt.Errorf("element %d", none[3])
	})
	r.Handler(named("worker"), func(host.Builder, *sdk.Node) (host.Handler, error) { return broken{}, nil })
	r.Global(named("global"), func(host.Builder, []*sdk.Node) error { panic("of a global") })
	r.Declare(named("declare"), func(host.Declarer, []*sdk.Node) error { panic(errors.New("of a declaration")) })
	return r
}

// Whatever panics while a configuration is loaded, or beside the connections of one that
// serves, costs that part and nothing else.
func TestAPanicIsAnErrorWithItsPlaceAndWhatServesGoesOn(t *testing.T) {
	t.Parallel()
	logged := make(signal, 64)
	s := start(t, dwaar.Options{Registry: fragile(), Log: logged.log()})
	if err := load(t, s, "route {\necho\n}"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		global, routes string
		at, want       string
	}{
		"a matcher":             {"", "@a {\nssh\nmatcher\n}\nroute @a {\n}", "Dwaarfile:7:1", "of a matcher"},
		"a matcher under not":   {"", "@a not matcher\nroute @a {\n}", "Dwaarfile:5:8", "of a matcher"},
		"a shared value":        {"", "@a builder x\nroute @a {\n}", "Dwaarfile:5:4", "of x"},
		"a handler":             {"", "route {\nhandler\n}", "Dwaarfile:6:1", "index out of range"},
		"a handler of subroute": {"", "route {\nsubroute {\nroute {\nhandler\n}\n}\n}", "Dwaarfile:8:1", "index out of range"},
		"a global":              {"global", "route {\n}", "Dwaarfile:2:1", "of a global"},
		"a declaration":         {"declare x", "@a x\nroute @a {\n}", "Dwaarfile:2:1", "of a declaration"},
	} {
		text := "{\n" + c.global + "\n}\nlayer4 { 127.0.0.1:0 {\n" + c.routes + "\nroute @nobody {\n}\n} }\n"
		err := s.Load(t.Context(), config.Text("Dwaarfile", text))
		es, ok := errors.AsType[sdk.Errors](err)
		if !ok || len(es) != 2 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if e := es[0]; e.Pos.String() != c.at || !strings.Contains(e.Msg, c.want) || !strings.Contains(e.Msg, "panic_test.go:") {
			t.Errorf("%s: %v, want %s: …%s…", name, e, c.at, c.want)
		}
		if got := said(t, s, name); got != name {
			t.Errorf("%s: the old configuration answers %q", name, got)
		}
	}
	for _, routes := range []string{"@a actor\nroute @a {\n}\n", "@a runner\nroute @a {\n}\n", "@a ssh\nroute @a {\nworker\n}\n"} {
		if err := load(t, s, routes+"route {\necho\n}"); err != nil {
			t.Fatal(err)
		}
		logged.await(t, "of an actor")
		if got := said(t, s, "on"); got != "on" {
			t.Errorf("with an actor that panics it answers %q", got)
		}
	}
}
