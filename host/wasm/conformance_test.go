package wasm

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

// vector is a conformance module and what every host does with it, as its first
// lines say.
type vector struct {
	name, file string
	loads      bool
	config     string
	of         string      // "" is the default matcher
	asks       [][2]string // head and answer
}

func vectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob(root + "/testdata/wasm/conformance/*.wat")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conformance modules (%v)", err)
	}
	var list []vector
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, readVector(t, file, string(text)))
	}
	return list
}

func readVector(t *testing.T, file, text string) vector {
	t.Helper()
	v := vector{name: strings.TrimSuffix(filepath.Base(file), ".wat"), file: file}
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), ";; ")
		if !ok {
			break
		}
		key, value, _ := strings.Cut(comment, ": ")
		switch {
		case key == "load":
			v.loads = value == "ok"
		case key == "config":
			v.config = value
		case key == "matcher":
			v.of = "." + value
		case strings.HasPrefix(key, "match "):
			head, err := strconv.Unquote(strings.TrimPrefix(key, "match "))
			if err != nil {
				t.Fatal(err)
			}
			v.asks = append(v.asks, [2]string{head, value})
		}
	}
	return v
}

func TestConformanceModulesDoWhatTheirFirstLinesSay(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			k := newBench(t)
			m, err := k.configured(assemble(t, v.file), v.of, v.config)
			if (err == nil) != v.loads {
				t.Fatalf("loading gave %v", err)
			}
			if err != nil {
				t.Log(err)
			}
			for _, a := range v.asks {
				if diff := cmp.Diff(a[1], answer(m, a[0])); diff != "" {
					t.Errorf("head %q (-want +got):\n%s", a[0], diff)
				}
			}
		})
	}
}

// configured loads a module and makes one of its matchers, ".login" or "", with
// arguments of one line, which may end in a block of one line.
func (k *bench) configured(path, of, config string) (sdk.Matcher, error) {
	l, err := k.load(declare(path))
	if err != nil {
		return nil, err
	}
	before, inside, block := strings.Cut(config, "{")
	n := words("x" + of + " " + before)
	if block {
		n.Block = []sdk.Node{words(strings.TrimSuffix(strings.TrimSpace(inside), "}"))}
	}
	return l.node(&n)
}

// answer writes an answer as the first lines of the modules do.
func answer(m sdk.Matcher, head string) string {
	r := ask(m, head)
	switch v := r.Answer.Verdict; {
	case r.Answer.Err != nil:
		return "error"
	case v > 0:
		return fmt.Sprintf("yes %d%s", v, strings.TrimPrefix(r.String(), "yes"))
	}
	return r.String()
}
