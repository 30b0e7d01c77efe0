package dwaarfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// seed adds the texts of all golden files to a corpus.
func seed(f *testing.F, add func(src string)) {
	f.Helper()
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(data).Files {
			if len(file.Data) < 2000 && file.Name != "tree" && file.Name != "errors" {
				add(string(file.Data))
			}
		}
	}
}

func FuzzLex(f *testing.F) {
	seed(f, func(src string) { f.Add(src) })
	f.Fuzz(func(t *testing.T, src string) {
		toks, err := dwaarfile.Lex(src)
		if err != nil {
			return
		}
		at := sdk.Pos{}
		for _, tok := range toks {
			p := tok.Word.Pos
			if p.Line < at.Line || p.Line == at.Line && p.Col <= at.Col || p.Line == at.Line && tok.First && at.Line > 0 {
				t.Fatalf("%q at %v comes behind %v", tok.Word.Text, p, at)
			}
			at = p
			if !tok.Comment && !tok.Brace {
				wordIsItself(t, tok.Word)
			}
		}
	})
}

// wordIsItself fails if a word is not read as it is written.
func wordIsItself(t *testing.T, w sdk.Word) {
	t.Helper()
	again, err := dwaarfile.Lex("x " + dwaarfile.Quote(w) + " }")
	if err != nil || len(again) != 3 || again[1].Word.Text != w.Text {
		t.Fatalf("%q is written as %s and read as %v (%v)", w.Text, dwaarfile.Quote(w), again, err)
	}
}

// notes lists the comments of a tree.
func notes(nodes []sdk.Node) []string {
	found := []string{}
	for i := range nodes {
		n := &nodes[i]
		found = append(append(found, n.Above...), n.Below...)
		if n.Beside != "" {
			found = append(found, n.Beside)
		}
		found = append(found, notes(n.Block)...)
	}
	slices.Sort(found)
	return found
}

// written lists the comments of a text, but for empty ones.
func written(t *testing.T, src string) []string {
	t.Helper()
	toks, err := dwaarfile.Lex(src)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, tok := range toks {
		if tok.Comment && tok.Word.Text != "" {
			found = append(found, tok.Word.Text)
		}
	}
	slices.Sort(found)
	return found
}

func notEmpty(texts []string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// commentsSurvive fails if reading a text or printing it loses a comment.
func commentsSurvive(t *testing.T, src string, tree []sdk.Node) {
	t.Helper()
	want := written(t, src)
	if diff := cmp.Diff(want, notEmpty(notes(tree))); diff != "" {
		t.Fatalf("comments in the text and in the tree (-text +tree)\n%s", diff)
	}
	if diff := cmp.Diff(want, written(t, mustPrint(t, tree))); diff != "" {
		t.Fatalf("comments before and after printing (-before +after)\n%s", diff)
	}
}

func TestNoCommentIsLost(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		src := string(g.archive.Files[0].Data)
		tree, err := dwaarfile.ParseRaw("Dwaarfile", []byte(src), grammar())
		if err == nil && !strings.HasSuffix(g.archive.Files[0].Name, ".toml") {
			commentsSurvive(t, src, tree)
		}
	}
}

func FuzzParse(f *testing.F) {
	seed(f, func(src string) { f.Add(src, uint(len(src)/2)) })
	f.Fuzz(func(t *testing.T, src string, at uint) {
		cut := int(at % uint(len(src)+1))
		o := dwaarfile.Options{
			Env:  func(name string) (string, bool) { return src[cut:min(cut+20, len(src))], len(name)%2 == 0 },
			Glob: func(string) ([]string, error) { return []string{"a", "b.toml"}, nil },
			Open: func(name string) ([]byte, error) {
				if name == "missing" {
					return nil, fs.ErrNotExist
				}
				return []byte(src[cut:]), nil
			},
		}
		if tree, err := dwaarfile.Parse("Dwaarfile", []byte(src[:cut]), grammar(), o); err == nil && legal(tree) && whole(tree) {
			printed(t, tree)
		}
		tree, err := dwaarfile.ParseRaw("Dwaarfile", []byte(src), grammar())
		if err != nil {
			return
		}
		printed(t, tree)
		commentsSurvive(t, src, tree)
		if legal(tree) {
			printedTOML(t, tree)
		}
	})
}

// whole reports whether a tree is a configuration, not a part of one: a part is printed
// as what it begins with.
func whole(tree []sdk.Node) bool {
	return !slices.ContainsFunc(tree, func(n sdk.Node) bool { return n.Name != "" && n.Name != "layer4" })
}

// legal reports whether a tree has names that a value from the environment cannot have
// made: a name is never looked into again.
func legal(tree []sdk.Node) bool {
	for _, n := range tree {
		if dwaarfile.HasReference(n.Name) || n.Name == "global" || !legal(n.Block) {
			return false
		}
	}
	return true
}

func FuzzTOML(f *testing.F) {
	seed(f, func(src string) { f.Add(src) })
	f.Fuzz(func(t *testing.T, src string) {
		o := dwaarfile.Options{
			Env:  func(name string) (string, bool) { return src, len(name)%2 == 0 },
			Open: func(string) ([]byte, error) { return []byte(src), nil },
		}
		_, _ = dwaarfile.ParseTOML("dwaar.toml", []byte(src), grammar(), o)
		tree, err := dwaarfile.ParseTOML("dwaar.toml", []byte(src), grammar(), dwaarfile.Options{Raw: true})
		if err != nil {
			if strings.Contains(err.Error(), "its places cannot be found") {
				t.Fatal(err)
			}
			return
		}
		var text strings.Builder
		if err := dwaarfile.PrintTOML(&text, tree, grammar()); err != nil {
			t.Fatalf("%v\n%s", err, dump(tree))
		}
		if err := dwaarfile.Print(&text, tree, grammar()); err != nil && !errors.Is(err, dwaarfile.ErrTree) {
			t.Fatal(err)
		}
	})
}
