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
	v, ok := map[string]string{"OFFICE": "192.0.2.0/24", "WRONG": "nowhere", "NESTED": "{env.OFFICE}"}[name]
	return v, ok
}

// load reads and builds a configuration and prints what comes of it: errors, those
// of what could be read beside those of reading, or warnings and the graph.
func load(name string, src []byte, r *host.Registry) string {
	tree, err := parse(name, src, graph.Grammar(r))
	if tree == nil && err != nil {
		return errorLines(err)
	}
	built, buildErr := graph.Build(tree, r, graph.Options{Env: env})
	var all sdk.Errors
	all.Add(sdk.Pos{File: name}, err)
	all.Add(sdk.Pos{File: name}, buildErr)
	if built != nil {
		defer built.Release()
	}
	if err := all.Err(); err != nil {
		return errorLines(err)
	}
	var b strings.Builder
	for _, w := range built.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String() + built.String()
}

func parse(name string, src []byte, g *sdk.Grammar) ([]sdk.Node, error) {
	if strings.HasSuffix(name, ".toml") {
		return dwaarfile.ParseTOML(name, src, g, dwaarfile.Options{Env: env})
	}
	return dwaarfile.Parse(name, src, g, dwaarfile.Options{Env: env})
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

// archive is a file of cases, each NAME.dwaar or NAME.toml with NAME.want. All its
// other sections are files beside the configuration.
type archive struct {
	path string
	name string
	text *txtar.Archive
}

func archives(t *testing.T) []archive {
	t.Helper()
	dir, err := filepath.Abs("../testdata/config")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files", err)
	}
	var all []archive
	for _, path := range paths {
		text, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, archive{path, strings.TrimSuffix(filepath.Base(path), ".txtar"), text})
	}
	return all
}

// caseName splits the name of a section: file is what a case is loaded as, or ""
// for a section that is no case.
func caseName(section string) (name, file string) {
	if name, ok := strings.CutSuffix(section, ".dwaar"); ok {
		return name, "Dwaarfile"
	}
	if name, ok := strings.CutSuffix(section, ".toml"); ok {
		return name, "Dwaarfile.toml"
	}
	return section, ""
}

// registry returns what the cases can name: what is built in, and for the archive
// about shapes a matcher that takes one argument of each.
func (a archive) registry() *host.Registry {
	r := registry()
	if a.name == "shapes" {
		r.Matcher(shapeSpec(), func(*sdk.Node) (sdk.Matcher, error) { return never{}, nil })
	}
	if a.name == "declared" {
		declaring(r)
	}
	if a.name == "map" { // which asks for plugins of its name
		r.Declare(sdk.Spec{Name: "plugin", Doc: "Nothing", Many: true, Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.One("PATH", sdk.Free)}},
			func(host.Declarer, []*sdk.Node) error { return nil })
	}
	return r
}

// declaring adds what a program that embeds the loader could bring: matchers that the
// configuration itself names, and what they answer where they are broken.
func declaring(r *host.Registry) {
	spec := sdk.Spec{
		Name: "declare", Doc: "Makes the matchers NAME and NAME.part known", Many: true,
		Args: []sdk.Arg{sdk.One("NAME", sdk.Free), {Name: "BROKEN", Shape: sdk.Enum, Words: []string{"no", "yes", "fails"}, Max: 1}},
	}
	r.Declare(spec, func(d host.Declarer, ns []*sdk.Node) error {
		var errs sdk.Errors
		for _, n := range ns {
			broken := append(n.Texts(), "")[1]
			if broken == "fails" {
				errs = append(errs, sdk.Errorf(n.Pos, "declare %s fails", n.Args[0].Text))
				continue
			}
			for _, name := range []string{n.Args[0].Text, n.Args[0].Text + ".part"} {
				d.Matcher(sdk.Spec{Name: name, Facts: []sdk.Fact{{Key: "fact"}}}, func(host.Builder, *sdk.Node) (sdk.Matcher, error) {
					return declared{never{}, broken}, nil
				})
			}
		}
		return errs.Err()
	})
}

type declared struct {
	never
	broken string
}

func (d declared) Substitute() (matches bool, unsafe error) {
	if d.broken == "" {
		return false, nil
	}
	return d.broken == "yes", fmt.Errorf("%s lets clients in here", d.broken)
}

// shapeSpec is what a program that embeds the loader could bring: options of the
// shapes that no builtin has.
func shapeSpec() sdk.Spec {
	return sdk.Spec{Name: "shape", Doc: "Nothing", Block: &sdk.Block{Options: []sdk.Spec{
		{Name: "float", Doc: "A number", Args: []sdk.Arg{sdk.One("N", sdk.Float)}},
		{Name: "time", Doc: "A time", Args: []sdk.Arg{sdk.One("T", sdk.Time)}},
	}}}
}

type never struct{}

func (never) Match(*sdk.Flow) (sdk.Verdict, error) { return sdk.No, nil }

func TestConfigurationsLoadAsTheirGoldenFilesSay(t *testing.T) {
	for _, a := range archives(t) {
		t.Run(a.name, func(t *testing.T) { a.compare(t) })
	}
}

// compare loads the cases in a directory of their own, so that they name files as
// they stand there and a message has the same text wherever that is.
func (a archive) compare(t *testing.T) {
	soon := a.unpack(t)
	out := &txtar.Archive{Comment: a.text.Comment}
	wants := map[string]string{}
	for _, f := range a.text.Files {
		if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
			wants[name] = string(f.Data)
		}
	}
	for _, f := range a.text.Files {
		if filepath.Ext(f.Name) == ".want" {
			continue
		}
		out.Files = append(out.Files, f)
		name, file := caseName(f.Name)
		if file == "" {
			continue
		}
		got := strings.ReplaceAll(load(file, f.Data, a.registry()), soon, "$SOON")
		out.Files = append(out.Files, txtar.File{Name: name + ".want", Data: []byte(got)})
		if diff := cmp.Diff(wants[name], got); diff != "" && !updating() {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if updating() {
		if err := os.WriteFile(a.path, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// unpack makes the test work in a directory with the archive's files, and with
// certificates if it is about them. It returns the day on which soon.crt ends.
func (a archive) unpack(t *testing.T) (soon string) {
	t.Chdir(t.TempDir())
	for _, f := range a.text.Files {
		if _, file := caseName(f.Name); file == "" && filepath.Ext(f.Name) != ".want" {
			writeFile(t, f.Name, f.Data)
		}
	}
	soon = "no day"
	if a.name == "nowhere" { // for the files of the internal CA
		t.Setenv("XDG_DATA_HOME", "")
		t.Setenv("HOME", "")
	}
	if a.name == "terminate" || a.name == "proxy" {
		soon = writeCertificates(t)
	}
	return soon
}

// loaderFiles are the sources that can refuse or question a configuration. The
// messages of host/dwaarfile have a test like this one beside them.
func loaderFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../sdk/shape.go", "../host/template.go", "../host/schema/*.go", "../host/graph/*.go", "../host/watch/*.go", "*/*.go", "internal/*/*.go", "*/internal/*/*.go"} {
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
// in the files of shapes, addresses and certificates those of ordinary errors.
func messages(t *testing.T, file string) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	plain := slices.ContainsFunc([]string{"sdk/shape.go", "graph/listen.go", "keys/pair.go", "keys/pool.go", "host/watch/watch.go"},
		func(name string) bool { return strings.HasSuffix(file, name) })
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		for i, arg := range call.Args {
			text, ok := literal(arg)
			if !ok {
				continue
			}
			if name := callee(call); i == 1 && (name == "Errorf" || name == "errorf" || name == "Warnf" || name == "warnf") ||
				plain && i == 0 && (name == "New" || name == "fmt.Errorf") {
				found[fset.Position(arg.Pos()).String()] = text
			}
		}
		return true
	})
	return found
}

// literal is the text of a string, or of strings joined by +.
func literal(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		x, left := literal(e.X)
		y, right := literal(e.Y)
		return x + y, left && right
	}
	return "", false
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

var verb = regexp.MustCompile(`%[#+]?(?:\[\d+\])?[a-zA-Z]`)

// pattern is a regular expression for what a format prints.
func pattern(format string) *regexp.Regexp {
	parts := verb.Split(format, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(strings.ReplaceAll(parts[i], "%%", "%"))
	}
	return regexp.MustCompile(strings.Join(parts, ".*"))
}

// saidInGoldenFiles is every line that the loader says in the golden files.
func saidInGoldenFiles(t *testing.T) string {
	t.Helper()
	directives, err := os.ReadFile("../testdata/config/directives.golden")
	if err != nil {
		t.Fatal(err)
	}
	said := string(directives)
	for _, a := range archives(t) {
		for _, f := range a.text.Files {
			if filepath.Ext(f.Name) == ".want" {
				said += string(f.Data)
			}
		}
	}
	return said
}

func TestEveryMessageOfTheLoaderIsReachedByAGoldenFile(t *testing.T) {
	if updating() {
		t.Skip("the golden files are being written")
	}
	all := saidInGoldenFiles(t)
	for _, file := range loaderFiles(t) {
		for at, format := range messages(t, file) {
			if !pattern(format).MatchString(all) {
				t.Errorf("%s: no golden file reaches %q: add a case to testdata/config", at, format)
			}
		}
	}
}
