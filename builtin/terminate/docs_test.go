package terminate_test

import (
	"os"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/schema"
)

func TestTheExamplesOfTheDocumentationAreConfigurations(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	var r host.Registry
	builtin.Register(&r)
	g := graph.Grammar(&r)
	parts := strings.Split(string(text), "```dwaarfile\n")[1:]
	if len(parts) < 3 {
		t.Errorf("it has %d examples", len(parts))
	}
	for _, part := range parts {
		example, _, _ := strings.Cut(part, "```")
		tree, err := dwaarfile.Parse("example", []byte(example), g, dwaarfile.Options{})
		if err == nil {
			err = schema.Check(tree, g, nil).Errors.Err()
		}
		if err != nil {
			t.Errorf("%v:\n%s", err, example)
		}
	}
}
