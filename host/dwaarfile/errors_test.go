package dwaarfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// limits are the errors that take too much text for a golden file.
func limits() map[string]func() error {
	parse := func(src string, o dwaarfile.Options) error {
		_, err := dwaarfile.Parse("Dwaarfile", []byte(src), grammar(), o)
		return err
	}
	long := strings.Repeat("x", 16<<20)
	return map[string]func() error{
		"a file of more than 16 MiB": func() error { return parse(long+"x", dwaarfile.Options{}) },
		"a TOML file of more than 16 MiB": func() error {
			_, err := dwaarfile.ParseTOML("dwaar.toml", []byte(long+"x"), grammar(), dwaarfile.Options{})
			return err
		},
		"snippets that multiply words": func() error {
			var src strings.Builder
			for i := range 15 {
				fmt.Fprintf(&src, "(s%d) {\n%s}\n", i+1, strings.Repeat(fmt.Sprintf("import s%d\n", i), 100))
			}
			return parse("(s0) {\n}\n"+src.String()+"import s15\n", dwaarfile.Options{})
		},
		"arguments that multiply text": func() error {
			var src strings.Builder
			for i := range 15 {
				fmt.Fprintf(&src, "(s%d) {\nimport s%d %s\n}\n", i+1, i, strings.Repeat("{args[0]}", 10))
			}
			return parse("(s0) {\n}\n"+src.String()+"import s15 xxxxxxxxxx\n", dwaarfile.Options{})
		},
		"imports in each other": func() error {
			var src strings.Builder
			for i := range 20 {
				fmt.Fprintf(&src, "(s%d) {\nimport s%d\n}\n", i, i+1)
			}
			return parse(src.String()+"(s20) {\n}\nimport s0\n", dwaarfile.Options{})
		},
		"a file where there are none":   func() error { return parse("import a\n", dwaarfile.Options{}) },
		"a pattern where there is none": func() error { return parse("import *\n", dwaarfile.Options{}) },
	}
}

func TestWhatIsTooMuchIsOneClearError(t *testing.T) {
	t.Parallel()
	for name, read := range limits() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs, ok := errors.AsType[sdk.Errors](read())
			if !ok || len(errs) != 1 {
				t.Errorf("got %d errors, want one: %.300v", len(errs), errs)
			}
		})
	}
}

// formats lists the literal of every sdk.Errorf in the package.
func formats(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			if fn, ok := call.Fun.(*ast.SelectorExpr); !ok || fn.Sel.Name != "Errorf" {
				return true
			}
			literal, ok := call.Args[1].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: an Errorf without a literal format", path)
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, text)
			return true
		})
	}
	return found
}

func TestEveryErrorOfThePackageIsReached(t *testing.T) {
	t.Parallel()
	var all bytes.Buffer
	for _, g := range goldens(t) {
		text, _ := g.file("errors")
		all.Write(text)
	}
	for _, read := range limits() {
		fmt.Fprintln(&all, read())
	}
	verb := regexp.MustCompile(`%\w+|%02x`)
	list := formats(t)
	if len(list) < 30 {
		t.Errorf("found %d errors in the source: too few to be all", len(list))
	}
	for _, format := range list {
		parts := verb.Split(format, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		if !regexp.MustCompile(`(?m): ` + strings.Join(parts, ".*") + "$").Match(all.Bytes()) {
			t.Errorf("no golden file reaches %q", format)
		}
	}
}
