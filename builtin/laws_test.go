package builtin_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

// forms are the ways in which the archives write one configuration: "X, flat",
// "X, laid out" and "X, toml" have one graph.
func forms() []string { return []string{", flat", ", laid out", ", toml"} }

func TestTheFormsOfAnExampleHaveOneGraph(t *testing.T) {
	graphs := map[string]map[string]string{} // by name, by form
	for _, a := range archives(t) {
		for _, f := range a.text.Files {
			section, file := caseName(f.Name)
			for _, form := range forms() {
				name, ok := strings.CutSuffix(section, form)
				if !ok || file == "" {
					continue
				}
				if graphs[name] == nil {
					graphs[name] = map[string]string{}
				}
				graphs[name][form] = graphOf(t, file, f.Data, a.registry())
			}
		}
	}
	for name, written := range graphs {
		for _, form := range forms() {
			if written[form] == "" {
				t.Errorf("%s is not written%s", name, form)
			}
			if diff := cmp.Diff(written[", laid out"], written[form]); diff != "" {
				t.Errorf("%s%s (-laid out +it):\n%s", name, form, diff)
			}
		}
	}
	if len(graphs) == 0 {
		t.Error("no example is written in several forms")
	}
}

// position is a place that a message names.
var position = regexp.MustCompile(`\S+:\d+:\d+`)

func graphOf(t *testing.T, name string, src []byte, r *host.Registry) string {
	t.Helper()
	tree, err := parse(name, src, graph.Grammar(r))
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return built(t, tree, r)
}

// built prints the graph of a tree, or what is wrong with it, without places.
func built(t *testing.T, tree []sdk.Node, r *host.Registry) string {
	t.Helper()
	g, err := graph.Build(tree, r, graph.Options{Env: env})
	if err != nil {
		return withoutPlaces(err)
	}
	defer g.Release()
	return withoutPlaces(g.Warnings) + g.String()
}

func withoutPlaces(err error) string {
	var all, placeless sdk.Errors
	all.Add(sdk.Pos{}, err)
	for _, e := range all {
		placeless = append(placeless, sdk.Errorf(sdk.Pos{}, "%s", position.ReplaceAllString(e.Msg, "PLACE")))
	}
	return placeless.Error() + "\n"
}

func TestConfigurationsThatParseSurvivePrinting(t *testing.T) {
	for _, a := range archives(t) {
		t.Run(a.name, func(t *testing.T) {
			a.unpack(t)
			for _, f := range a.text.Files {
				name, file := caseName(f.Name)
				if file == "" {
					continue
				}
				if _, err := parse(file, f.Data, graph.Grammar(a.registry())); err != nil {
					continue
				}
				printsAsItself(t, name, file, f.Data, a.registry())
				loadsFromTheOtherForm(t, name, file, f.Data, a.registry())
			}
		})
	}
}

// printsAsItself: the text is read again as the same tree, as it was written and
// with all filled in, and what is printed is printed again as itself.
func printsAsItself(t *testing.T, name, file string, src []byte, r *host.Registry) {
	t.Helper()
	g := graph.Grammar(r)
	raw, err := parseRaw(file, src, g)
	if err != nil {
		t.Errorf("%s: as it was written: %v", name, err)
		return
	}
	once := printed(t, file, raw, g)
	again, err := parseRaw(file, once, g)
	if err != nil || !dwaarfile.Equal(raw, again) {
		t.Errorf("%s: printed and read again it is another tree, %v:\n%s", name, err, once)
		return
	}
	if diff := cmp.Diff(string(once), string(printed(t, file, again, g))); diff != "" {
		t.Errorf("%s: printed twice (-first +second):\n%s", name, diff)
	}
	want, err := parse(file, src, g)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(file, once, g)
	if err != nil || !dwaarfile.Equal(want, got) {
		t.Errorf("%s: printed and filled in it is another tree, %v:\n%s", name, err, once)
	}
}

// loadsFromTheOtherForm: a Dwaarfile as TOML, and TOML as a Dwaarfile, has the same
// graph or the same faults.
func loadsFromTheOtherForm(t *testing.T, name, file string, src []byte, r *host.Registry) {
	t.Helper()
	g, other := graph.Grammar(r), "Dwaarfile.toml"
	if file == other {
		other = "Dwaarfile"
	}
	tree, err := parse(file, src, g)
	if err != nil {
		t.Fatal(err)
	}
	text := printed(t, other, tree, g)
	again, err := parse(other, text, g)
	if err != nil || !dwaarfile.Equal(tree, again) {
		t.Errorf("%s: in the other form it is another tree, %v:\n%s", name, err, text)
		return
	}
	if diff := cmp.Diff(built(t, tree, r), built(t, again, r)); diff != "" {
		t.Errorf("%s: in the other form (-before +after):\n%s\n%s", name, diff, text)
	}
}

func parseRaw(name string, src []byte, g *sdk.Grammar) ([]sdk.Node, error) {
	if strings.HasSuffix(name, ".toml") {
		return dwaarfile.ParseTOML(name, src, g, dwaarfile.Options{Raw: true})
	}
	return dwaarfile.ParseRaw(name, src, g)
}

func printed(t *testing.T, name string, tree []sdk.Node, g *sdk.Grammar) []byte {
	t.Helper()
	write := dwaarfile.Print
	if strings.HasSuffix(name, ".toml") {
		write = dwaarfile.PrintTOML
	}
	var b strings.Builder
	if err := write(&b, tree, g); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}
