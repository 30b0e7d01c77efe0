package plugintest

import (
	"strings"
	"testing"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// Decides checks when a matcher decides. The first "|" of text is not one of its bytes
// but stands before the byte that decides: with fewer the answer is that more are
// needed, with it, and with every one behind it, want.
func Decides(t testing.TB, m sdk.Matcher, text string, want sdk.Verdict) {
	t.Helper()
	before, after, ok := strings.Cut(text, "|")
	if !ok {
		t.Fatalf("%q has no | before the byte that decides", text)
	}
	head := []byte(before + after)
	for n := range len(head) + 1 {
		f := matchtest.TCP()
		f.Head = head[:n]
		got := matchtest.Ask(m, &f).Answer
		switch {
		case n <= len(before) && (got.Err != nil || got.Decided()):
			t.Errorf("%q: %v, before the byte that decides", head[:n], got)
		case n > len(before) && (got.Err != nil || got.Verdict != want):
			t.Errorf("%q: %v, want %v", head[:n], got, want)
		}
	}
}
