package builtin_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/sdk"
)

// place is where a directive stands: how to wrap it into a whole configuration.
type place struct {
	path string
	spec sdk.Spec
	wrap func(...sdk.Node) []sdk.Node
}

// places lists every directive of the grammar with its options, to any depth.
func places(g *sdk.Grammar) []place {
	global := func(ns ...sdk.Node) []sdk.Node { return []sdk.Node{{Block: ns}} }
	server := func(ns ...sdk.Node) []sdk.Node {
		return []sdk.Node{{Name: "layer4", Block: []sdk.Node{{Name: ":1", Block: ns}}}}
	}
	set := func(ns ...sdk.Node) []sdk.Node { return server(sdk.Node{Name: "@set", Block: ns}) }
	route := func(ns ...sdk.Node) []sdk.Node { return server(sdk.Node{Name: "route", Block: ns}) }
	var all []place
	add := func(path string, specs []sdk.Spec, wrap func(...sdk.Node) []sdk.Node) {
		for _, s := range specs {
			all = append(all, deeper(path, s, wrap, 0)...)
		}
	}
	add("global", slices.DeleteFunc(slices.Clone(g.Global.Block.Options), func(s sdk.Spec) bool { return s.Name == "layer4" }), global)
	add("server", append(slices.Clone(g.Server.Block.Options), g.Route), server)
	add("matcher", g.Matchers, set)
	add("handler", g.Handlers, route)
	return all
}

func deeper(path string, s sdk.Spec, wrap func(...sdk.Node) []sdk.Node, depth int) []place {
	all := []place{{path + " " + s.Name, s, wrap}}
	if s.Block == nil || s.Negates || depth > 3 {
		return all
	}
	for _, o := range s.Block.Options {
		inner := func(ns ...sdk.Node) []sdk.Node {
			n := sample(&s)
			n.Block = ns
			return wrap(n)
		}
		all = append(all, deeper(path+" "+s.Name, o, inner, depth+1)...)
	}
	return all
}

// sample is a directive as short as it may be.
func sample(s *sdk.Spec) sdk.Node {
	n := sdk.Node{Name: s.Name}
	for _, a := range s.Args {
		for range a.Min {
			n.Args = append(n.Args, sdk.Word{Text: sampleWord(a)})
		}
	}
	if s.Need {
		n.Block = []sdk.Node{}
	}
	return n
}

func sampleWord(a sdk.Arg) string {
	switch a.Shape {
	case sdk.CIDR:
		return "10.0.0.0/8"
	case sdk.Addr:
		return "127.0.0.1:1"
	case sdk.Host:
		return "a.example.com"
	case sdk.Int, sdk.Float:
		return "7"
	case sdk.Duration:
		return "3s"
	case sdk.Size:
		return "16KiB"
	case sdk.Time:
		return "12:00"
	case sdk.Enum:
		return a.Words[0]
	case sdk.Ref:
		return "@set"
	}
	return "word"
}

// wrongs are the five faults a writer can make in any directive. A fault that a
// directive cannot have (too few of what is optional) is left out.
func wrongs(p place, inBlock []sdk.Spec) map[string][]sdk.Node {
	s, good := p.spec, sample(&p.spec)
	faults := map[string][]sdk.Node{}
	if s.Block != nil && s.Block.Line == nil {
		n := good
		n.Block = []sdk.Node{{Name: "nonsense"}}
		faults["unknown option"] = []sdk.Node{n}
	}
	if len(s.Args) > 0 && s.Args[0].Min > 0 {
		n := good
		n.Args = nil
		faults["too few"] = []sdk.Node{n}
	}
	if bounded(s.Args) {
		n := good
		for range 9 {
			n.Args = append(slices.Clone(n.Args), sdk.Word{Text: "surplus"})
		}
		faults["too many"] = []sdk.Node{n}
	}
	for i, a := range good.Args {
		if arg := argAt(s.Args, i); arg.Fits("not\x01this") != nil {
			n := good
			n.Args = slices.Clone(n.Args)
			n.Args[i] = sdk.Word{Text: "not\x01this"}
			faults["bad value for "+arg.Name+" "+a.Text] = []sdk.Node{n}
		}
	}
	if !s.Many && sdk.Find(inBlock, s.Name) != nil {
		faults["duplicate"] = []sdk.Node{good, good}
	}
	return faults
}

func bounded(args []sdk.Arg) bool {
	return !slices.ContainsFunc(args, func(a sdk.Arg) bool { return a.Max < 0 })
}

func argAt(args []sdk.Arg, i int) sdk.Arg {
	for _, a := range args {
		if i < a.Min {
			return a
		}
		i -= a.Min
	}
	return args[len(args)-1]
}

func TestEveryDirectiveRefusesTheFiveFaults(t *testing.T) {
	g := graph.Grammar(registry())
	const golden = "../testdata/config/directives.golden"
	var b strings.Builder
	for _, p := range places(g) {
		inBlock := []sdk.Spec{p.spec}
		if strings.Count(p.path, " ") == 1 && !strings.HasPrefix(p.path, "global") && !strings.HasPrefix(p.path, "server") {
			inBlock = nil // matchers and handlers may be repeated
		}
		if errs := schema.Check(p.wrap(sample(&p.spec)), g, nil).Errors; len(errs) > 0 && !strings.Contains(errs.Error(), "needs") {
			t.Errorf("%s: its shortest form is refused: %s", p.path, errs)
		}
		faults := wrongs(p, inBlock)
		for _, name := range slices.Sorted(keys(faults)) {
			errs := schema.Check(p.wrap(faults[name]...), g, nil).Errors
			if len(errs) == 0 {
				t.Errorf("%s: %s is not refused", p.path, name)
				continue
			}
			fmt.Fprintf(&b, "%s, %s:\n\t%s\n", p.path, name, strings.ReplaceAll(errs.Error(), "\n", "\n\t"))
		}
	}
	if updating() {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Whatever a directive is given that its description allows, building it is an answer
// or an error, and no fault of the program.
func TestNoFormOfADirectiveIsAPanic(t *testing.T) {
	g := graph.Grammar(registry())
	for _, p := range places(g) {
		short, block := sample(&p.spec), sample(&p.spec)
		forms := [][]sdk.Node{{short}}
		if b := p.spec.Block; b != nil {
			block.Block = []sdk.Node{}
			forms = append(forms, []sdk.Node{block})
			if b.Line != nil {
				line := sample(b.Line)
				line.Name = "own"
				block.Block = []sdk.Node{line, line}
				forms = append(forms, []sdk.Node{block})
			}
		}
		for _, form := range forms {
			tree := p.wrap(form...)
			built, err := graph.Build(tree, registry(), graph.Options{})
			if err == nil {
				built.Release()
			} else if strings.Contains(err.Error(), "a panic in") {
				t.Errorf("%s: %v", p.path, err)
			}
		}
	}
}
