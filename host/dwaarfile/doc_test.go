package dwaarfile_test

import (
	"os"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// blocks lists the code blocks of the documentation that begin with a fence.
func blocks(t *testing.T, fence string) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/dwaarfile.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for i, part := range strings.Split("\n"+string(page), "\n```") {
		if rest, ok := strings.CutPrefix(part, fence+"\n"); ok && i%2 == 1 {
			found = append(found, rest+"\n")
		}
	}
	return found
}

func TestTheExamplesOfTheDocumentationAreRead(t *testing.T) {
	t.Parallel()
	read := map[string]func(src string) ([]sdk.Node, error){
		"": func(src string) ([]sdk.Node, error) {
			return dwaarfile.ParseRaw("docs", []byte(src), grammar())
		},
		"toml": func(src string) ([]sdk.Node, error) {
			return dwaarfile.ParseTOML("docs", []byte(src), grammar(), dwaarfile.Options{})
		},
	}
	for fence, parse := range read {
		examples := blocks(t, fence)
		if len(examples) < 2 {
			t.Errorf("%d examples of kind %q: too few to be all", len(examples), fence)
		}
		for _, src := range examples {
			tree, err := parse(src)
			if wrong := strings.Contains(src, "\ttls proxy"); wrong != (err != nil) {
				t.Errorf("error %v in\n%s", err, src)
			}
			if err == nil {
				printed(t, tree)
				printedTOML(t, tree)
			}
		}
	}
}
