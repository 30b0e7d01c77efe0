package host

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"dwaar.dev/dwaar/sdk"
)

func TestEveryCodeHasItsOwnIndexAndName(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for i := range Codes {
		c := CodeAt(i)
		if c.Index() != i {
			t.Errorf("%s has index %d, not %d", c, c.Index(), i)
		}
		names[c.String()] = true
	}
	if len(names) != Codes {
		t.Errorf("%d codes have %d names", Codes, len(names))
	}
}

func TestTemplatesExpandToWhatIsKnown(t *testing.T) {
	t.Parallel()
	get := func(name string) (string, bool) {
		v, ok := map[string]string{"minecraft.host": "mc", "vars.port": "1"}[name]
		return v, ok
	}
	for text, want := range map[string]string{
		"{minecraft.host}:25565":             "mc:25565",
		"{l4.minecraft.host}:{vars.port}":    "mc:1",
		"plain:1":                            "plain:1",
		"a{vars.port}b":                      "a1b",
		"{vars.absent}":                      "expanding {vars.absent}: the connection has no such fact",
		"{x":                                 "has a brace without its partner",
		"x}":                                 "has a brace without its partner",
		"{}":                                 "names no fact",
		"{port}":                             "names no fact: write {vars.port}",
		"{a.{b.c}}":                          "names no fact",
		"":                                   "",
		"{minecraft.host}{minecraft.host}.x": "mcmc.x",
	} {
		tmpl, err := ParseTemplate(sdk.Word{Text: text})
		got := ""
		if err == nil {
			got, err = tmpl.Expand(get)
		}
		if err != nil {
			got = err.Error()
		}
		if got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestARegisteredNameCanBeReplacedInACloneAlone(t *testing.T) {
	t.Parallel()
	var r Registry
	r.Matcher(sdk.Spec{Name: "a", Doc: "old"}, nil)
	c := r.Clone()
	c.Matcher(sdk.Spec{Name: "a", Doc: "new"}, nil)
	if len(r.Matchers()) != 1 || r.Matchers()[0].Spec.Doc != "old" || c.Matchers()[0].Spec.Doc != "new" {
		t.Errorf("registry %v, clone %v", r.Matchers(), c.Matchers())
	}
}

func TestWhatAnErrorOfTheLastAttemptMeans(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]EndError{
		syscall.ECONNREFUSED:      {By: ByUpstream, Why: Refused},
		context.DeadlineExceeded:  {By: ByUpstream, Why: Timeout},
		syscall.EADDRNOTAVAIL:     {By: ByProxy, Why: NoAddress},
		syscall.EMFILE:            {By: ByProxy, Why: Cap},
		errors.New("certificate"): {By: ByUpstream, Why: Refused},
	} {
		var end *EndError
		if !errors.As(Unreached(err), &end) || end.By != want.By || end.Why != want.Why || !errors.Is(end, err) {
			t.Errorf("%v: %+v", err, end)
		}
	}
}
