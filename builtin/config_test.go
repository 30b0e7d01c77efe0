package builtin_test

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

// A change of the golden files is read before it is committed.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files anew")
	flag.Parse()
	// Messages name the file of the internal CA: it must not be the user's.
	os.Unsetenv("STATE_DIRECTORY")
	os.Setenv("XDG_DATA_HOME", "/data")
	os.Exit(m.Run())
}

func registry() *host.Registry {
	r := &host.Registry{}
	builtin.Register(r)
	return r
}

func env(name string) (string, bool) {
	v, ok := map[string]string{"OFFICE": "192.0.2.0/24", "WRONG": "nowhere"}[name]
	return v, ok
}

// load reads and builds a configuration and prints what comes of it: errors, or
// warnings and the graph.
func load(name string, src []byte) string {
	r := registry()
	g := graph.Grammar(r)
	parse := dwaarfile.Parse
	if strings.HasSuffix(name, ".toml") {
		parse = dwaarfile.ParseTOML
	}
	tree, err := parse(name, src, g, dwaarfile.Options{Env: env})
	if err != nil {
		return errorLines(err)
	}
	built, err := graph.Build(tree, r, graph.Options{Env: env})
	if err != nil {
		return errorLines(err)
	}
	defer built.Release()
	var b strings.Builder
	for _, w := range built.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String() + built.String()
}

func errorLines(err error) string {
	var es sdk.Errors
	if !errors.As(err, &es) {
		return "not a list of errors: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, e := range es {
		fmt.Fprintf(&b, "error: %s\n", e)
	}
	return b.String()
}

// Each archive holds cases: NAME.dwaar or NAME.toml, and NAME.want.
func TestConfigurationsLoadAsTheirGoldenFilesSay(t *testing.T) {
	paths, err := filepath.Glob("../testdata/config/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { goldenFile(t, path) })
	}
}

func goldenFile(t *testing.T, path string) {
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := &txtar.Archive{Comment: a.Comment}
	wants := map[string]string{}
	for _, f := range a.Files {
		if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
			wants[name] = string(f.Data)
		}
	}
	for _, f := range a.Files {
		ext := filepath.Ext(f.Name)
		if ext == ".want" {
			continue
		}
		name := strings.TrimSuffix(f.Name, ext)
		got := load("Dwaarfile"+map[string]string{".toml": ".toml"}[ext], f.Data)
		out.Files = append(out.Files, f, txtar.File{Name: name + ".want", Data: []byte(got)})
		if updating() {
			continue
		}
		if diff := cmp.Diff(wants[name], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if updating() {
		if err := os.WriteFile(path, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// loaderFiles are the sources that can refuse or question a configuration. The
// messages of host/dwaarfile have a test like this one beside them.
func loaderFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../sdk/shape.go", "../host/template.go", "../host/schema/*.go", "../host/graph/*.go", "*/*.go", "*/internal/*/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
}

// messages returns the format of every message that a file gives the writer of a
// configuration, by where it stands: those of Errorf and Warnf with a position, and
// in the files of shapes and addresses those of ordinary errors.
func messages(t *testing.T, file string) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.HasSuffix(file, "sdk/shape.go") || strings.HasSuffix(file, "graph/listen.go")
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		for i, arg := range call.Args {
			lit, ok := arg.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			if name := callee(call); i == 1 && (name == "Errorf" || name == "errorf" || name == "Warnf" || name == "warnf") ||
				plain && i == 0 && (name == "New" || name == "fmt.Errorf") {
				text, _ := strconv.Unquote(lit.Value)
				found[fset.Position(lit.Pos()).String()] = text
			}
		}
		return true
	})
	return found
}

func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok && x.Name == "fmt" {
			return "fmt." + f.Sel.Name
		}
		return f.Sel.Name
	}
	return ""
}

var verb = regexp.MustCompile(`%[#+]?[a-zA-Z]`)

// pattern is a regular expression for what a format prints.
func pattern(format string) *regexp.Regexp {
	parts := verb.Split(format, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(strings.ReplaceAll(parts[i], "%%", "%"))
	}
	return regexp.MustCompile(strings.Join(parts, ".*"))
}

func TestEveryMessageOfTheLoaderIsReachedByAGoldenFile(t *testing.T) {
	if updating() {
		t.Skip("the golden files are being written")
	}
	var golden strings.Builder
	paths, _ := filepath.Glob("../testdata/config/*")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		golden.Write(text)
	}
	all := golden.String()
	for _, file := range loaderFiles(t) {
		for at, format := range messages(t, file) {
			if !pattern(format).MatchString(all) {
				t.Errorf("%s: no golden file reaches %q: add a case to testdata/config", at, format)
			}
		}
	}
}
