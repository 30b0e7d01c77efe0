package guesttest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the table of the conformance modules into ABI.md")
	flag.Parse()
	os.Exit(m.Run())
}

// vector is a conformance module and what a host does with it, from its first lines.
type vector struct {
	name   string // of the file, without .wat
	shows  string
	loads  bool
	config []byte   // the token block
	of     string   // the matcher
	asks   []asking // in this order, of one instance
}

// asking is a head and what match says of it: the verdict and the facts, or "error".
type asking struct{ head, want string }

func TestConformanceModulesDoWhatTheirFirstLinesSay(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			g, err := load(t, assemble(t, v.name))
			if err == nil {
				err = g.configure(t.Context(), v.of, v.config)
			}
			if (err == nil) != v.loads {
				t.Fatalf("loading gave %v", err)
			}
			for _, a := range v.asks {
				if diff := cmp.Diff(a.want, ask(g, a.head)); diff != "" {
					t.Errorf("head %q (-want +got):\n%s", a.head, diff)
				}
			}
		})
	}
}

// ask evaluates a head and writes the answer as the first lines do.
func ask(g *guest, head string) string {
	f := matchtest.TCP()
	f.Head = []byte(head)
	r := matchtest.Ask(g, &f)
	switch v := r.Answer.Verdict; {
	case r.Answer.Err != nil:
		return "error"
	case v > 0:
		text := strings.TrimPrefix(r.String(), "yes")
		return fmt.Sprintf("yes %d%s", v, text)
	case v < 0 && v != sdk.Unknown && v.NeedBytes() <= len(head):
		return sdk.Need(len(head) + 1).String()
	}
	return r.String()
}

// assemble turns the text of a module into bytes.
func assemble(t *testing.T, name string) []byte {
	t.Helper()
	wat2wasm := realtest.Look(t, "wat2wasm")
	out := filepath.Join(t.TempDir(), name+".wasm")
	in := filepath.Join(root, "testdata/wasm/conformance", name+".wat")
	if printed, err := exec.CommandContext(t.Context(), wat2wasm, in, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", in, err, printed)
	}
	return read(t, out)
}

func vectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "testdata/wasm/conformance/*.wat"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conformance modules (%v)", err)
	}
	var list []vector
	for _, file := range files {
		list = append(list, parse(t, strings.TrimSuffix(filepath.Base(file), ".wat"), string(read(t, file))))
	}
	return list
}

// parse reads the comment that a conformance module begins with.
func parse(t *testing.T, name, text string) vector {
	t.Helper()
	v := vector{name: name, config: emptyBlock()}
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
			v.config = tokens(t, value)
		case key == "matcher":
			v.of = value
		case strings.HasPrefix(key, "match "):
			head, err := strconv.Unquote(strings.TrimPrefix(key, "match "))
			if err != nil {
				t.Fatalf("%s: %v in %s", name, err, line)
			}
			v.asks = append(v.asks, asking{head, value})
		case v.shows == "":
			v.shows = comment
		default:
			t.Fatalf("%s: what is %s", name, line)
		}
	}
	return v
}

// tokens makes a token block of one line of a configuration: words and braces, where
// each line of a block is one word and its arguments up to the brace.
func tokens(t *testing.T, line string) []byte {
	t.Helper()
	e := abi.NewTokens()
	for _, w := range strings.Fields(line) {
		switch w {
		case "{":
			e.Open()
		case "}":
			e.Line().Close()
		default:
			e.Word(w)
		}
	}
	block, err := e.Block()
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// The specification lists all conformance modules, with what each shows.
func TestSpecificationListsTheConformanceModules(t *testing.T) {
	var b strings.Builder
	b.WriteString("| module | loads | what it shows |\n|---|---|---|\n")
	for _, v := range vectors(t) {
		loads := map[bool]string{true: "yes", false: "no"}[v.loads]
		fmt.Fprintf(&b, "| %s | %s | %s |\n", v.name, loads, v.shows)
	}
	specified(t, "<!-- conformance: begin -->\n", "<!-- conformance: end -->", b.String())
}

// The example of an evaluation is what happens, with its fuel.
func TestSpecificationShowsAnEvaluation(t *testing.T) {
	wat2wasm := realtest.Look(t, "wat2wasm")
	_, rest, _ := strings.Cut(string(read(t, specification())), "<!-- example: module -->\n```wat\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("ABI.md shows no module")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "x.wat"), filepath.Join(dir, "x.wasm")
	if err := os.WriteFile(in, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if printed, err := exec.CommandContext(t.Context(), wat2wasm, in, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	g, err := load(t, read(t, out))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.configure(t.Context(), "", emptyBlock()); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "dwaar_v1_window(%d)           → %d\n", abi.WindowSize(maxHead, 0), g.window.Base)
	for _, head := range []string{"", "B", "A"} {
		answer := ask(g, head)
		fmt.Fprintf(&b, "dwaar_v1_match(%d, %d, %d)  → %-20s  head %-3q  %3d units\n",
			g.window.Base+abi.WindowHead, len(head), g.window.Base, answer, head, g.fuel)
	}
	specified(t, "<!-- example: calls -->\n```\n", "```\n", b.String())
}

func specification() string { return filepath.Join(root, "sdk/abi/ABI.md") }

// specified checks that want stands between two marks of the specification, or writes
// it there.
func specified(t *testing.T, begin, end, want string) {
	t.Helper()
	before, rest, ok := strings.Cut(string(read(t, specification())), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("ABI.md has no %s", begin)
	}
	diff := cmp.Diff(want, got)
	switch {
	case diff == "":
	case flag.Lookup("update").Value.String() != "true":
		t.Errorf("ABI.md (-want +got), -update writes it:\n%s", diff)
	default:
		if err := os.WriteFile(specification(), []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
