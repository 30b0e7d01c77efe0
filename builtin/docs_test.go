package builtin_test

import (
	"os"
	"strings"
	"testing"
)

// TestEveryExampleOfTheHandlersLoads loads the examples of docs/handlers.md, and looks for
// every option of the handlers that it is about.
func TestEveryExampleOfTheHandlersLoads(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/handlers.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	examples := strings.Split(text, "```dwaarfile\n")[1:]
	for _, part := range examples {
		example, _, _ := strings.Cut(part, "```")
		if got := load("Dwaarfile", []byte(example), registry()); strings.Contains(got, "error: ") || strings.Contains(got, "warning: ") {
			t.Errorf("%s\n%s", example, got)
		}
	}
	if len(examples) == 0 {
		t.Error("there are no examples")
	}
	for _, e := range registry().Handlers() {
		if e.Spec.Block == nil || !strings.Contains(text, "`"+e.Spec.Name+"`\n") {
			continue
		}
		for _, o := range e.Spec.Block.Options {
			if name := strings.TrimSuffix(o.Name, "_burst_size"); !strings.Contains(text, "`"+name) {
				t.Errorf("docs/handlers.md does not tell of %s", o.Name)
			}
		}
	}
}
