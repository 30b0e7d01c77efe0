package dwaarfile_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing")

// dump prints a tree with everything that matters in it, a node a line.
func dump(nodes []sdk.Node) string {
	var b strings.Builder
	dumpTo(&b, nodes, "")
	return b.String()
}

func dumpTo(b *strings.Builder, nodes []sdk.Node, indent string) {
	for i := range nodes {
		n := &nodes[i]
		for _, c := range n.Above {
			fmt.Fprintf(b, "%s#%s\n", indent, c)
		}
		fmt.Fprintf(b, "%s%s", indent, n.Name)
		for _, a := range n.Args {
			fmt.Fprintf(b, " %s", dumpWord(a))
		}
		if n.Block != nil {
			b.WriteString(" {")
		}
		fmt.Fprintf(b, "  %s", n.Pos)
		if n.Beside != "" {
			fmt.Fprintf(b, " #%s", n.Beside)
		}
		b.WriteByte('\n')
		dumpTo(b, n.Block, indent+"\t")
		for _, c := range n.Below {
			fmt.Fprintf(b, "%s\t#%s\n", indent, c)
		}
	}
}

func dumpWord(a sdk.Word) string {
	if a.Quoted {
		return strconv.Quote(a.Text)
	}
	return "[" + a.Text + "]"
}

// golden is one file of testdata: files, and what reading the first one gives.
// A comment of "raw" reads it as fmt does.
type golden struct {
	name    string
	archive *txtar.Archive
}

func goldens(t *testing.T) []golden {
	t.Helper()
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var all []golden
	for _, p := range paths {
		a, err := txtar.ParseFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, golden{p, a})
	}
	return all
}

func (g golden) file(name string) ([]byte, bool) {
	for _, f := range g.archive.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

func (g golden) set(name, data string) {
	for i := range g.archive.Files {
		if g.archive.Files[i].Name == name {
			g.archive.Files[i].Data = []byte(data)
			return
		}
	}
	g.archive.Files = append(g.archive.Files, txtar.File{Name: name, Data: []byte(data)})
}

// has reports whether the comment of the file holds a word.
func (g golden) has(word string) bool {
	return strings.Contains(" "+strings.ReplaceAll(string(g.archive.Comment), "\n", " ")+" ", " "+word+" ")
}

func (g golden) options() dwaarfile.Options {
	return dwaarfile.Options{
		Raw: g.has("raw:"),
		Env: func(name string) (string, bool) {
			v, ok := map[string]string{
				"PORT": "8443", "TRICKY": "a b } {$PORT} {args[0]} #", "EMPTY": "", "CLOSE": "close", "LATIN": "caf\xe9",
			}[name]
			return v, ok
		},
		Open: func(name string) ([]byte, error) {
			if data, ok := g.file(name); ok {
				return data, nil
			}
			return nil, fs.ErrNotExist
		},
		Glob: func(pattern string) ([]string, error) {
			var names []string
			for _, f := range g.archive.Files {
				ok, err := filepath.Match(pattern, f.Name)
				if err != nil {
					return nil, err
				}
				if ok {
					names = append(names, f.Name)
				}
			}
			return names, nil
		},
	}
}

// read parses the first file of the archive.
func (g golden) read() ([]sdk.Node, error) {
	f := g.archive.Files[0]
	src := f.Data
	if g.has("strconv:") { // bytes that a text file cannot hold
		text, err := strconv.Unquote(strings.TrimSpace(string(src)))
		if err != nil {
			return nil, err
		}
		src = []byte(text)
	}
	if strings.HasSuffix(f.Name, ".toml") {
		return dwaarfile.ParseTOML(f.Name, src, grammar(), g.options())
	}
	return dwaarfile.Parse(f.Name, src, grammar(), g.options())
}

func (g golden) compare(t *testing.T, got map[string]string) {
	t.Helper()
	sections := []string{"tree", "errors", "printed", "toml"}
	if *update {
		g.archive.Files = slices.DeleteFunc(g.archive.Files, func(f txtar.File) bool { return slices.Contains(sections, f.Name) })
		for _, name := range sections {
			if text, ok := got[name]; ok {
				g.set(name, text)
			}
		}
		if err := os.WriteFile(g.name, txtar.Format(g.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range sections {
		want, _ := g.file(name)
		if diff := cmp.Diff(string(want), got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// printed is the tree as fmt writes it, if that can be read again as the tree.
func printed(t *testing.T, tree []sdk.Node) string {
	t.Helper()
	text := mustPrint(t, tree)
	again, err := dwaarfile.ParseRaw("printed", []byte(text), grammar())
	if err != nil || !dwaarfile.Equal(tree, again) {
		t.Fatalf("printing gives\n%s\nwhich is read as\n%s%v\nwanted\n%s", text, dump(again), err, dump(tree))
	}
	if diff := cmp.Diff(text, mustPrint(t, again)); diff != "" {
		t.Errorf("printing the printed tree (-first +second):\n%s", diff)
	}
	return text
}

// printedTOML is the tree as TOML, if that can be read again as the tree.
func printedTOML(t *testing.T, tree []sdk.Node) string {
	t.Helper()
	text := mustPrintTOML(t, tree)
	again, err := dwaarfile.ParseTOML("toml", []byte(text), grammar(), dwaarfile.Options{Raw: true})
	if err != nil || !dwaarfile.Equal(tree, again) {
		t.Fatalf("printing gives\n%s\nwhich is read as\n%s%v\nwanted\n%s", text, dump(again), err, dump(tree))
	}
	if diff := cmp.Diff(text, mustPrintTOML(t, again)); diff != "" && !strings.Contains(text, "#") {
		t.Errorf("printing the printed tree (-first +second):\n%s", diff)
	}
	return text
}

func mustPrintTOML(t *testing.T, tree []sdk.Node) string {
	t.Helper()
	var b strings.Builder
	if err := dwaarfile.PrintTOML(&b, tree, grammar()); err != nil {
		t.Fatalf("%v\n%s\n%s", err, dump(tree), b.String())
	}
	return b.String()
}

func mustPrint(t *testing.T, tree []sdk.Node) string {
	t.Helper()
	var b strings.Builder
	if err := dwaarfile.Print(&b, tree, grammar()); err != nil {
		t.Fatalf("%v\n%s", err, dump(tree))
	}
	return b.String()
}

func TestEveryGoldenFileGivesItsTreeOrItsErrors(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			tree, err := g.read()
			got := map[string]string{}
			if err != nil {
				got["errors"] = err.Error() + "\n"
			} else {
				got["tree"] = dump(tree)
				got["printed"] = printed(t, tree)
				got["toml"] = printedTOML(t, tree)
			}
			g.compare(t, got)
		})
	}
}

func TestTheExamplesOfThePageAreTheSameFlatAndLaidOut(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		laidOut, ok := g.file("laid out")
		if !ok {
			continue
		}
		flat, err := g.read()
		if err != nil {
			t.Fatal(err)
		}
		tree, err := dwaarfile.Parse("laid out", laidOut, grammar(), g.options())
		if err != nil || !dwaarfile.Equal(flat, tree) {
			t.Errorf("%s: error %v, trees (-flat +laid out)\n%s", g.name, err, cmp.Diff(dump(flat), dump(tree)))
		}
	}
}
