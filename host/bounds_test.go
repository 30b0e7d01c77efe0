package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/sdk"
)

func TestTextAroundPlaceholdersIsKeptAndOnlyTextIsLiteral(t *testing.T) {
	t.Parallel()
	get := func(name string) (string, bool) { return "<" + name + ">", name != "no.no" }
	for text, want := range map[string]struct {
		expanded, facts string
		literal         bool
	}{
		"":               {"", "", true},
		"text":           {"text", "", true},
		"{a.b}":          {"<a.b>", "a.b", false},
		"x{a.b}":         {"x<a.b>", "a.b", false},
		"{a.b}x":         {"<a.b>x", "a.b", false},
		"x{a.b}y{c.d}z":  {"x<a.b>y<c.d>z", "a.b c.d", false},
		"{a.b}{c.d}":     {"<a.b><c.d>", "a.b c.d", false},
		"{l4.tls.sni}:1": {"<tls.sni>:1", "tls.sni", false},
	} {
		tmpl, err := host.ParseTemplate(sdk.Word{Text: text})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := tmpl.Expand(get)
		if facts := strings.Join(tmpl.Facts(), " "); got != want.expanded || err != nil || facts != want.facts {
			t.Errorf("%q expands to %q, %v with the facts %q", text, got, err, facts)
		}
		literal, ok := tmpl.Literal()
		if ok != want.literal || ok && literal != text {
			t.Errorf("%q is literally %q, %v", text, literal, ok)
		}
		if again := tmpl.String(); again != strings.Replace(text, "l4.", "", 1) {
			t.Errorf("%q is written as %q", text, again)
		}
	}
	for _, text := range []string{"{", "}", "a{b.c", "a}b", "{}", "{x}", "{a.b}{", "{a b.c}", "{{a.b}}", "}{a.b"} {
		if _, err := host.ParseTemplate(sdk.Word{Text: text}); err == nil {
			t.Errorf("%q is a template", text)
		}
	}
	tmpl, err := host.ParseTemplate(sdk.Word{Text: "x{no.no}"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tmpl.Expand(get); err == nil || got != "" || !strings.Contains(err.Error(), "{no.no}") {
		t.Errorf("without its fact: %q, %v", got, err)
	}
}

func TestErrorsBelowOthersSayWhoEndedAConnection(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want host.EndError
	}{
		"a deadline":         {os.ErrDeadlineExceeded, host.EndError{By: host.ByUpstream, Why: host.Timeout}},
		"that of a context":  {context.DeadlineExceeded, host.EndError{By: host.ByUpstream, Why: host.Timeout}},
		"no address of ours": {syscall.EADDRNOTAVAIL, host.EndError{By: host.ByProxy, Why: host.NoAddress}},
		"no descriptor":      {syscall.EMFILE, host.EndError{By: host.ByProxy, Why: host.Cap}},
		"refused":            {syscall.ECONNREFUSED, host.EndError{By: host.ByUpstream, Why: host.Refused}},
		"anything else":      {errors.New("x"), host.EndError{By: host.ByUpstream, Why: host.Refused}},
	} {
		for _, err := range []error{tc.err, fmt.Errorf("dialing: %w", tc.err)} {
			end, ok := errors.AsType[*host.EndError](host.Unreached(err))
			if !ok || end.By != tc.want.By || end.Why != tc.want.Why || !errors.Is(end, tc.err) {
				t.Errorf("%s: %+v", name, end)
			}
		}
	}
	if got := (&host.EndError{By: host.ByClient, Why: host.Reset}).Error(); got != "reset by client" {
		t.Errorf("without a cause it is %q", got)
	}
}

// entries are the names of everything that is registered, with what was registered last.
func entries(r *host.Registry) (names []string) {
	for _, e := range r.Matchers() {
		names = append(names, "matcher "+e.Spec.Name+" "+e.Spec.Doc)
	}
	for _, e := range r.Handlers() {
		names = append(names, "handler "+e.Spec.Name+" "+e.Spec.Doc)
	}
	for _, e := range r.Globals() {
		names = append(names, fmt.Sprintf("global %s %s %v %v", e.Spec.Name, e.Spec.Doc, e.Check != nil, e.Declare != nil && e.Spec.Declares))
	}
	return names
}

func TestTheLatestOfANameIsTheOneThatIsRegistered(t *testing.T) {
	t.Parallel()
	var r host.Registry
	check := func(host.Builder, []*sdk.Node) error { return nil }
	for _, doc := range []string{"old", "new"} {
		for _, name := range []string{"a", "b"} {
			s := sdk.Spec{Name: name, Doc: doc}
			r.Matcher(s, nil)
			r.Handler(s, nil)
			r.Global(s, check)
		}
		r.Declare(sdk.Spec{Name: "d", Doc: doc}, func(host.Declarer, []*sdk.Node) error { return nil })
	}
	want := []string{
		"matcher a new", "matcher b new", "handler a new", "handler b new",
		"global a new true false", "global b new true false", "global d new false true",
	}
	if diff := cmp.Diff(want, entries(&r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c := r.Clone()
	c.Global(sdk.Spec{Name: "a", Doc: "other"}, nil)
	c.Handler(sdk.Spec{Name: "c"}, nil)
	if diff := cmp.Diff(want, entries(&r)); diff != "" {
		t.Errorf("after a change of the clone (-want +got):\n%s", diff)
	}
}

func TestAKeyThatIsSharedHasOneType(t *testing.T) {
	t.Parallel()
	b := &hosttest.Builder{}
	defer b.Release()
	made := 0
	number := func() (int, error) { made++; return 7, nil }
	for range 2 {
		if v, err := host.Share(b, "k", number); v != 7 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	}
	if made != 1 {
		t.Errorf("it was made %d times", made)
	}
	v, err := host.Share(b, "k", func() (string, error) { return "x", nil })
	if err == nil || v != "" || err.Error() != `sharing "k": what is kept is a int, and a string was asked for` {
		t.Errorf("of another type: %q, %v", v, err)
	}
	failed := errors.New("no")
	if v, err := host.Share(b, "f", func() (int, error) { return 3, failed }); v != 0 || !errors.Is(err, failed) {
		t.Errorf("that cannot be made: %d, %v", v, err)
	}
}

// broken panics, in a way that the runtime has frames of its own for.
func broken(how string) {
	switch how {
	case "index":
		var none []int
		_ = none[len(how)]
	case "nil":
		var none *sdk.Node
		none.Name = how
	}
	panic(how)
}

func TestAPanicBecomesAnErrorWithItsPlaceInTheConfigurationAndInTheCode(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"on purpose", "index", "nil"} {
		at := sdk.Pos{File: "D", Line: 3, Col: 4}
		err := func() (err error) {
			defer host.Contain(&at, &err)
			broken(how)
			return nil
		}()
		if err == nil || !strings.HasPrefix(err.Error(), "D:3:4: a panic in ") {
			t.Fatalf("%s: %v", how, err)
		}
		if place := "host_test.broken (bounds_test.go:"; !strings.Contains(err.Error(), place) {
			t.Errorf("%s: %v does not name %s", how, err, place)
		}
		if strings.Contains(err.Error(), "a panic in runtime") {
			t.Errorf("%s: %v", how, err)
		}
	}
	at := sdk.Pos{}
	before := errors.New("before")
	err := before
	func() { defer host.Contain(&at, &err) }()
	if !errors.Is(err, before) {
		t.Errorf("without a panic the error becomes %v", err)
	}
}
