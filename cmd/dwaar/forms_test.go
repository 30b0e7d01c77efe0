package main

import (
	stdbytes "bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

// formFiles are the ways in which people write each directive, a file for each family:
// cases NAME.dwaar, what `dwaar validate` says of each in NAME.want, and in NAME.fmt what
// `dwaar fmt` makes of it, where that has other words. All other sections are files beside
// the configuration. -update writes what has to be compared.
func formFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "testdata/forms/*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("forms %v, %v", files, err)
	}
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func formEnv() map[string]string {
	return map[string]string{"OFFICE": "192.0.2.0/24", "HOME_RANGE": "198.51.100.0/24", "STAGE": "production", "BIND_IP": "192.0.2.9"}
}

// Every form that users of the layer-4 app of Dwaar and of caddy-l4 write is loaded as it
// is, means what its file says, is formatted so that it means the same, and means that in
// TOML as well.
func TestEveryFormLoadsAndMeansWhatItsFileSays(t *testing.T) {
	for _, path := range formFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { compareForms(t, path) })
	}
}

func compareForms(t *testing.T, path string) {
	old, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	writePair(t)
	now, compared := &txtar.Archive{Comment: old.Comment}, map[string]string{}
	for _, f := range old.Files {
		switch filepath.Ext(f.Name) {
		case ".want", ".fmt":
			compared[f.Name] = string(f.Data)
		case ".dwaar":
		default:
			writeText(t, f.Name, f.Data)
		}
	}
	for _, f := range old.Files {
		if ext := filepath.Ext(f.Name); ext == ".want" || ext == ".fmt" {
			continue
		}
		now.Files = append(now.Files, f)
		name, ok := strings.CutSuffix(f.Name, ".dwaar")
		if !ok {
			continue
		}
		for _, ext := range []string{".want", ".fmt"} {
			got := map[string]func(*testing.T, string, []byte) string{".want": validated, ".fmt": reformatted}[ext](t, name, f.Data)
			if diff := cmp.Diff(compared[name+ext], got); diff != "" && !*update {
				t.Errorf("%s%s (-want +got):\n%s", name, ext, diff)
			}
			if got != "" {
				now.Files = append(now.Files, txtar.File{Name: name + ext, Data: []byte(got)})
			}
		}
	}
	if *update {
		writeText(t, path, txtar.Format(now))
	}
}

// validated returns what `dwaar validate` says of a configuration, and of the same in TOML.
func validated(t *testing.T, name string, text []byte) string {
	t.Helper()
	said := command(t, name, text, "validate", "Dwaarfile")
	writeText(t, "adapted.toml", []byte(command(t, name, text, "adapt", "Dwaarfile")))
	adapted := command(t, name, text, "validate", "adapted.toml")
	if diff := cmp.Diff(unplaced(said), unplaced(adapted)); diff != "" {
		t.Errorf("%s means something else in TOML (-Dwaarfile +TOML):\n%s", name, diff)
	}
	return said
}

// unplaced leaves out of what validate says where it says that something stands.
func unplaced(said string) string {
	return regexp.MustCompile(`(?m)(Dwaarfile|adapted\.toml):\d+:\d+`).ReplaceAllString(said, "AT")
}

// reformatted returns what `dwaar fmt` makes of a configuration; "" if only the layout is
// another.
func reformatted(t *testing.T, name string, text []byte) string {
	t.Helper()
	said := command(t, name, text, "fmt", "Dwaarfile")
	if again := command(t, name, []byte(said), "fmt", "Dwaarfile"); again != said {
		t.Errorf("%s is formatted otherwise the second time (-first +second):\n%s", name, cmp.Diff(said, again))
	}
	now := command(t, name, []byte(said), "validate", "Dwaarfile")
	if !slices.Equal(wordsOf(said), wordsOf(string(text))) {
		return said
	}
	if diff := cmp.Diff(unplaced(command(t, name, text, "validate", "Dwaarfile")), unplaced(now)); diff != "" {
		t.Errorf("%s means something else when it is formatted (-before +after):\n%s", name, diff)
	}
	return ""
}

// wordsOf are the words of a Dwaarfile without the braces of its blocks.
func wordsOf(text string) []string {
	return strings.Fields(strings.NewReplacer(" {\n", "\n", "\t}\n", "\n", "\n}\n", "\n").Replace(text))
}

// command runs dwaar where a text is the Dwaarfile, and returns what it prints.
func command(t *testing.T, name string, text []byte, args ...string) string {
	t.Helper()
	writeText(t, "Dwaarfile", text)
	a, printed := fakeApp(formEnv())
	cmd := newRoot(a)
	cmd.SetArgs(args)
	if err := cmd.Execute(); err != nil {
		t.Errorf("%s: dwaar %s: %v\n%s", name, strings.Join(args, " "), err, printed)
	}
	return printed.String()
}

func writeText(t *testing.T, name string, text []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = os.WriteFile(name, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writePair writes client.crt and client.key, for a.example.com, and once more into the
// directory pairs.
func writePair(t *testing.T) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(12345), DNSNames: []string{"a.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "pairs"} {
		writeText(t, filepath.Join(dir, "client.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		writeText(t, filepath.Join(dir, "client.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	}
}

// formTexts are the cases of all files.
func formTexts(t *testing.T) [][]byte {
	t.Helper()
	var texts [][]byte
	for _, path := range formFiles(t) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if filepath.Ext(f.Name) == ".dwaar" {
				texts = append(texts, f.Data)
			}
		}
	}
	return texts
}

// Whoever adds a matcher, a handler or an option writes its forms as well: what none of the
// files uses is an error. Of arguments the fewest and the most count, and each word that
// has to be one of a list; of blocks, whether there is one.
func TestEveryDirectiveHasAForm(t *testing.T) {
	t.Parallel()
	g := graph.Grammar(registry())
	used := forms{g: g, seen: map[string]bool{}}
	for _, text := range formTexts(t) {
		a, _ := fakeApp(formEnv())
		src := builtIn()
		src.Text = text
		tree, err := a.loader(nil, nil).Parse(src.Source)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		used.tree(tree)
	}
	if len(used.seen) < 300 {
		t.Fatalf("only %d forms are there", len(used.seen))
	}
	wanted := forms{g: g, seen: map[string]bool{}}
	wanted.grammar()
	for _, form := range wanted.list {
		if !used.seen[form] {
			t.Errorf("no form of testdata/forms is %s: write one", form)
		}
	}
}

// Every fact that a directive describes is read under both of its spellings, and every
// kind of address that help names is listened on.
func TestEveryFactAndAddressHasAForm(t *testing.T) {
	t.Parallel()
	all := stdbytes.Join(formTexts(t), []byte("\n"))
	g := graph.Grammar(registry())
	for _, spec := range append(g.Matchers, g.Handlers...) {
		for _, fact := range spec.Facts {
			for _, prefix := range []string{"{", "{l4."} {
				if word := prefix + spec.Name + "." + fact.Key; !stdbytes.Contains(all, []byte(word+"}")) && !stdbytes.Contains(all, []byte(word+".0}")) {
					t.Errorf("no form of testdata/forms reads %s}", word)
				}
			}
		}
	}
	for _, form := range graph.AddressForms() {
		if !regexp.MustCompile(`(?m)^\t(.* )?` + regexp.QuoteMeta(form.Example) + ` `).Match(all) {
			t.Errorf("no form of testdata/forms listens on %s", form.Example)
		}
	}
}

// forms collects how directives are written: those that a grammar has, or those that trees
// use.
type forms struct {
	g    *sdk.Grammar
	seen map[string]bool
	list []string
}

func (f *forms) add(words ...string) {
	form := strings.Join(words, " ")
	if !f.seen[form] {
		f.seen[form] = true
		f.list = append(f.list, form)
	}
}

// elsewhere are directives whose forms have a test of their own.
func elsewhere(name string) bool { return name == "plugin" } // plugins/forms_test.go

// grammar adds the forms that there are.
func (f *forms) grammar() {
	f.specs("global option", f.g.Global.Block.Options)
	f.specs("server option", f.g.Server.Block.Options)
	f.specs("rule", []sdk.Spec{f.g.Route, f.g.Deny})
	f.specs("matcher", f.g.Matchers)
	f.specs("handler", f.g.Handlers)
}

func (f *forms) specs(in string, specs []sdk.Spec) {
	for i := range specs {
		if s := &specs[i]; !elsewhere(s.Name) {
			f.spec(pathOf(in, s), s)
		}
	}
}

// pathOf returns "matcher tls", or "matcher tls: sni" of its option. in ends without a
// colon where it is a role.
func pathOf(in string, s *sdk.Spec) string {
	switch in {
	case "global option", "server option", "rule", "matcher", "handler", "":
		return strings.TrimPrefix(in+" "+s.Name, " ")
	}
	return in + ": " + s.Name
}

// once returns the path by which the details of an option count: one that stands in
// several places of a directive, as those of TLS do, needs them in one of them.
func once(path string) string {
	top, rest, deep := strings.Cut(path, ": ")
	if !deep {
		return path
	}
	return top + ": " + rest[strings.LastIndexByte(rest, ' ')+1:]
}

func (f *forms) spec(path string, s *sdk.Spec) {
	f.add(path)
	own := path
	path = once(path)
	for _, alias := range s.Aliases {
		f.add(path, "as", alias)
	}
	least, most := 0, 0
	for _, a := range s.Args {
		least += a.Min
		if most += a.Max; a.Max < 0 {
			most = least + 1
		}
		for _, w := range a.Words {
			f.add(path, "with", strings.ToLower(w))
		}
	}
	if most > least {
		f.add(path, "with as few arguments as can be")
		f.add(path, "with as many arguments as can be, or several")
	}
	if s.Block == nil || s.Negates {
		return
	}
	f.add(path, "with a block")
	if !s.Need {
		f.add(path, "without a block")
	}
	if s.Block.Line != nil {
		f.add(path, s.Block.Line.Name)
	}
	f.specs(own, s.Block.Options)
}

// tree adds the forms of a configuration.
func (f *forms) tree(tree []sdk.Node) {
	for i := range tree {
		if n := &tree[i]; n.Name == "" {
			f.node("", n, &f.g.Global, nil)
		} else {
			f.node("", n, sdk.Find(f.g.Top, n.Name), nil)
		}
	}
}

// node adds the forms of a directive and of what is in its block.
func (f *forms) node(in string, n *sdk.Node, s, outer *sdk.Spec) {
	path := pathOf(in, s)
	f.add(path)
	if n.Name != s.Name {
		f.add(once(path), "as", n.Name)
	}
	f.args(once(path), n, s)
	if n.Block != nil {
		f.add(once(path), "with a block")
	} else {
		f.add(once(path), "without a block")
	}
	block := s.Block
	if s.Negates {
		block, path = outer.Block, in
	}
	for i := range n.Block {
		kid := &n.Block[i]
		if role, spec := f.find(path, block, kid); spec != nil {
			f.node(role, kid, spec, s)
		}
	}
}

func (f *forms) args(path string, n *sdk.Node, s *sdk.Spec) {
	least, most := 0, 0
	for _, a := range s.Args {
		least += a.Min
		if most += a.Max; a.Max < 0 {
			most = least + 1
		}
		for _, w := range n.Args {
			f.add(path, "with", strings.ToLower(w.Text))
		}
	}
	if len(n.Args) == least {
		f.add(path, "with as few arguments as can be")
	}
	if len(n.Args) >= most {
		f.add(path, "with as many arguments as can be, or several")
	}
}

// find returns what a line in a block is, and what the forms of its place begin with.
func (f *forms) find(path string, b *sdk.Block, n *sdk.Node) (role string, s *sdk.Spec) {
	if spec := sdk.Find(b.Options, n.Name); spec != nil {
		switch path {
		case "":
			path = "global option"
		case "server":
			path = "server option"
		}
		return path, spec
	}
	switch {
	case b.Holds&sdk.HoldsServers != 0:
		server := f.g.Server
		server.Name = "server"
		return "", &server
	case strings.HasPrefix(n.Name, "@"):
		return "", &sdk.Spec{Name: n.Name, Block: &sdk.Block{Holds: sdk.HoldsMatchers}}
	case n.Name == f.g.Route.Name:
		return "rule", &f.g.Route
	case n.Name == f.g.Deny.Name:
		return "rule", &f.g.Deny
	case b.Holds&sdk.HoldsMatchers != 0:
		return "matcher", sdk.Find(f.g.Matchers, n.Name)
	case b.Holds&sdk.HoldsHandlers != 0:
		return "handler", sdk.Find(f.g.Handlers, n.Name)
	case b.Line != nil:
		f.add(once(path), b.Line.Name)
	}
	return "", nil
}
