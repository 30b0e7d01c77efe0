package main

import (
	"testing"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// The matcher is the same natively: it can be tested, fuzzed and debugged like any Go.
func TestMatcherObeysTheLaws(t *testing.T) {
	for _, who := range []string{"", "world"} {
		matchtest.Laws(t, Matcher{who}, matchtest.TCP(), []byte("HELLO world\n"), []byte("GET / HTTP/1.1\r\n"))
	}
}

func TestMatcherFindsTheName(t *testing.T) {
	f := matchtest.TCP()
	f.Head = []byte("HELLO world\n")
	if got, want := matchtest.Ask(Matcher{}, &f).String(), `yes who="world"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNewTakesOneName(t *testing.T) {
	if _, err := New(&sdk.Node{Args: []sdk.Word{{Text: "a"}, {Text: "b"}}}); err == nil {
		t.Error("it took two")
	}
}

func FuzzMatcher(f *testing.F) {
	matchtest.Fuzz(f, [][]byte{[]byte("HELLO world\n")}, Matcher{}, Matcher{"world"})
}
