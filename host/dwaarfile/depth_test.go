package dwaarfile_test

import (
	"fmt"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/dwaarfile"
)

// Only blocks in each other are deep: a hundred beside each other, of every kind that
// counts, are not.
func TestBlocksBesideEachOtherAreNotDeep(t *testing.T) {
	t.Parallel()
	in := func(lines string) string { return "layer4 {\n:1 {\n" + lines + "}\n}\n" }
	for name, line := range map[string]string{
		"negated options":      "@a%d http {\nnot path /%[1]d\nnot host h%[1]d\n}\n",
		"negated matchers":     "@a%d not ssh\n",
		"negations in a row":   "@a%d not not not ssh\n",
		"blocks of matchers":   "@a%d {\nnot {\nssh\n}\n}\n",
		"blocks of options":    "@a%d postgres {\nuser u\n}\n",
		"routes":               "route {\nproxy 192.0.2.1:%d\n}\n",
		"blocks of a handler":  "route {\nproxy {\nupstream 192.0.2.1:1%d {\nweight 2\n}\n}\n}\n",
		"options of one block": "@a%d http {\n" + strings.Repeat("not path /x\n", 100) + "}\n",
	} {
		var lines strings.Builder
		for i := range 100 {
			lines.WriteString(strings.TrimSuffix(fmt.Sprintf(line, i), "%!(EXTRA int="+fmt.Sprint(i)+")"))
		}
		tree, err := dwaarfile.Parse("Dwaarfile", []byte(in(lines.String())), grammar(), dwaarfile.Options{})
		if err != nil {
			t.Errorf("%s: %.300v", name, err)
			continue
		}
		if n := len(tree[0].Block[0].Block); n != 100 {
			t.Errorf("%s: %d are read, want 100", name, n)
		}
	}
}
