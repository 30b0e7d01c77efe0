package wasm

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk/matchtest"
)

// example returns a block of the specification.
func example(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(root + "/sdk/abi/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "<!-- example: "+name+" -->\n```")
	_, block, ok2 := strings.Cut(rest, "\n")
	block, _, ok3 := strings.Cut(block, "```")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("the specification has no example %s", name)
	}
	return block
}

// The specification's example of an evaluation, unit by unit.
func TestEvaluationsTakeTheFuelOfTheSpecification(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	m := k.must(wat(t, example(t, "module")), "x")
	var got strings.Builder
	fmt.Fprintf(&got, "dwaar_v1_window(%d)", m.module.window)
	for _, head := range []string{"", "B", "A"} {
		f := matchtest.TCP()
		f.Head = []byte(head)
		in, err := m.module.pool.get()
		if err != nil {
			t.Fatal(err)
		}
		const budget = 1 << 20
		_, used, err := in.evaluate(m, &f, budget)
		m.module.pool.put(in)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, " head %q %d units", head, used)
	}
	want := "dwaar_v1_window(17552)"
	for line := range strings.Lines(example(t, "calls")) {
		if _, units, ok := strings.Cut(line, " head "); ok {
			want += " head " + strings.Join(strings.Fields(units), " ")
		}
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
