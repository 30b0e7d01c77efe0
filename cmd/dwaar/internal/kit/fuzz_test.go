package kit

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func FuzzVerdictsAreReadAsTheyWerePrinted(f *testing.F) {
	f.Add("hello world\n\tbegun: need 10\n\tworld: yes who=\"world\"\n")
	f.Add("# comment\n\nmc {\n\thost a.org {\n\t\tx\n\t}\n}\n\ts/1: no\n")
	f.Add("}\n@x {\n\ta: b\n")
	f.Add("hello <<E\n\tx\n\tE {\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVerdicts(text)
		if err != nil {
			return
		}
		names := map[string]bool{}
		for i := range v {
			_, _ = v[i].node("f") // it is refused or not: that it ends is what counts
			for name := range v[i].Answers {
				names[name] = true
			}
		}
		again, err := ParseVerdicts(v.text(slices.Sorted(maps.Keys(names))))
		if err != nil {
			t.Fatalf("%q is printed as what cannot be read: %v", text, err)
		}
		if diff := cmp.Diff(v, again, cmpopts.IgnoreFields(Question{}, "At"), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-read +read again):\n%s", diff)
		}
	})
}

func FuzzHexadecimalSamplesHaveTheirBounds(f *testing.F) {
	f.Add("16 03 01")
	f.Add("udp 41:42\n\n# two\n43\n")
	f.Add("udp")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseHex("x", text)
		if err != nil {
			return
		}
		joined := 0
		for _, d := range s.datagrams() {
			joined += len(d)
		}
		if s.Bounds != nil && joined != len(s.Head) {
			t.Errorf("%d bytes in %v", len(s.Head), s.Bounds)
		}
	})
}
