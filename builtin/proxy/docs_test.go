package proxy

import (
	"os"
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/sdk"
)

func TestTheDocumentationNamesEveryOptionAndWord(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	specs := slices.Concat(Spec().Block.Options, sdk.Specs(upstreamOptions()))
	for _, s := range specs {
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			if !strings.Contains(string(text), "`"+name) {
				t.Errorf("docs/proxy.md does not tell of %s", name)
			}
		}
		for _, a := range s.Args {
			if a.Shape != sdk.Enum {
				continue
			}
			for _, word := range a.Words {
				if !strings.Contains(string(text), word) {
					t.Errorf("docs/proxy.md does not tell of %s %s", s.Name, word)
				}
			}
		}
		if s.Doc == "" || strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s: %q is no doc line", s.Name, s.Doc)
		}
	}
}
