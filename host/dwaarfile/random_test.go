package dwaarfile_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
	"github.com/google/go-cmp/cmp"
)

// gen makes random trees of legal names, most of them nonsense: what the words
// mean is not this package's business, only that none is read as another.
type gen struct {
	*rand.Rand
	g    *sdk.Grammar
	fits bool // only arguments that fit, as many as fit
	deep int
}

func (r *gen) tree() []sdk.Node {
	var tree []sdk.Node
	if r.IntN(2) == 0 {
		tree = append(tree, sdk.Node{Block: r.some(3, func() sdk.Node { return r.option(r.g.Global.Block.Options) })})
	}
	for range r.IntN(3) {
		tree = append(tree, r.node(&r.g.Top[0]))
	}
	return tree
}

func (r *gen) some(most int, one func() sdk.Node) []sdk.Node {
	nodes := []sdk.Node{}
	for range r.IntN(most + 1) {
		nodes = append(nodes, one())
	}
	return nodes
}

func pick[T any](r *gen, from []T) *T { return &from[r.IntN(len(from))] }

func (r *gen) option(specs []sdk.Spec) sdk.Node { return r.node(pick(r, specs)) }

// node is a directive with a block, if it can have one.
func (r *gen) node(spec *sdk.Spec) sdk.Node {
	n := sdk.Node{Name: spec.Name}
	if spec.Name != "not" { // what stands behind it is a matcher
		n.Args = r.args(spec.Args)
	}
	if spec.Block == nil || r.deep > 8 || !spec.Need && r.IntN(2) == 0 {
		return n
	}
	r.deep++
	n.Block = r.some(4, func() sdk.Node { return r.inside(spec.Block) })
	r.deep--
	return n
}

func (r *gen) inside(b *sdk.Block) sdk.Node {
	if len(b.Options) > 0 && (b.Holds == 0 || r.IntN(3) == 0) {
		option := pick(r, b.Options)
		if option.Negates {
			return sdk.Node{Name: option.Name, Block: r.some(2, func() sdk.Node { return r.option(b.Options) })}
		}
		return r.node(option)
	}
	switch {
	case b.Holds&sdk.HoldsServers != 0:
		n := r.node(&r.g.Server)
		n.Name = *pick(r, []string{":443", "udp/:53", "[::1]:80", "unix//run/a b", "unix//run/{x}", "\"quoted\":1", "layer4", "#:1"})
		return n
	case b.Holds&sdk.HoldsRoutes != 0 && r.IntN(2) == 0:
		return r.node(&r.g.Route)
	case b.Holds&sdk.HoldsRoutes != 0:
		return sdk.Node{Name: *pick(r, []string{"@a", "@b", "@route"}), Block: r.some(3, r.matcher)}
	case b.Holds&sdk.HoldsMatchers != 0:
		return r.matcher()
	case b.Holds&sdk.HoldsHandlers != 0:
		return r.option(r.g.Handlers)
	}
	if b.Line != nil {
		n := r.node(b.Line)
		for n.Name = ""; n.Name == "" || dwaarfile.HasReference(n.Name); {
			n.Name = r.anyWord().Text
		}
		return n
	}
	return sdk.Node{Name: "unknown", Args: r.args([]sdk.Arg{sdk.List("X", sdk.Free)})}
}

func (r *gen) matcher() sdk.Node {
	if r.IntN(9) == 0 {
		return sdk.Node{Name: "mqtt", Args: r.args([]sdk.Arg{sdk.List("X", sdk.Free)})}
	}
	return r.option(r.g.Matchers)
}

func (r *gen) args(args []sdk.Arg) []sdk.Word {
	var words []sdk.Word
	for _, a := range args {
		most := 3
		if a.Max >= 0 {
			most = a.Max
		}
		for range a.Min + r.IntN(most-a.Min+1) {
			words = append(words, r.word(a))
		}
	}
	if !r.fits && r.IntN(8) == 0 {
		words = append(words, r.word(sdk.Arg{}))
	}
	return words
}

func (r *gen) word(a sdk.Arg) sdk.Word {
	if r.fits {
		for {
			if w := r.anyWord(); a.Fits(w.Text) == nil {
				return w
			}
		}
	}
	return r.anyWord()
}

func (r *gen) anyWord() sdk.Word {
	words := []string{
		"tls", "ssh", "http", "not", "mqtt", "route", "proxy", "close", "echo", "alpn", "sni", "user", "import", "vars", "remote_ip",
		"@a", "a", "10.0.0.0/8", "::1", ":443", "{tls.server_name}:1", "a.example.com", "*.example.com", "h2", "3s", "16KiB", "5", "12:00",
		"enabled", "v1", "hex", "first", "reset", "BIND", "", " ", "#", "a#", "\"", "a\"b", `\`, `a\"`, `\\`, "`", "`\"", "{", "}", "{}", "{ }", "a{", "}a", "a\nb",
		"\r\n", "\t", "é", "\u00a0", "<<EOF", "EOF", "(x)", "{$HOME}", "{$HOME:a b}", "`{$HOME}\nEOF\r\n", "{$", "{$A", "{args[0]}", ";", "{{x}}", "{$HOME}\\", "\ufeff", "x\ufeff",
	}
	return sdk.Word{Text: *pick(r, words), Quoted: r.IntN(3) > 0}
}

func randomTrees(t *testing.T, n int, fits bool, each func(t *testing.T, tree []sdk.Node)) {
	t.Helper()
	if testing.Short() {
		n /= 10
	}
	for seed := range n {
		r := &gen{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), g: grammar(), fits: fits}
		tree := r.tree()
		if each(t, tree); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestPrintingAnyTreeAndReadingItGivesTheTree(t *testing.T) {
	t.Parallel()
	for _, fits := range []bool{true, false} {
		randomTrees(t, 1_500, fits, func(t *testing.T, tree []sdk.Node) {
			printed(t, tree)
		})
	}
}

func TestPrintingAnyTreeAsTOMLAndReadingItGivesTheTree(t *testing.T) {
	t.Parallel()
	for _, fits := range []bool{true, false} {
		randomTrees(t, 1_500, fits, func(t *testing.T, tree []sdk.Node) {
			printedTOML(t, tree)
		})
	}
}

// flat writes a tree on one line, as far as that is possible: where a word would
// be read as part of what stands before it, a new line begins.
func flat(tree []sdk.Node, g *sdk.Grammar) string {
	var b strings.Builder
	for i := range tree {
		flatNode(&b, &tree[i], g)
		b.WriteByte('\n')
	}
	return b.String()
}

func flatNode(b *strings.Builder, n *sdk.Node, g *sdk.Grammar) {
	b.WriteString(n.Name)
	for _, a := range n.Args {
		b.WriteByte(' ')
		if strings.HasPrefix(a.Text, "@") && n.Name == "route" {
			b.WriteString(a.Text)
			continue
		}
		b.WriteString(`"` + strings.ReplaceAll(a.Text, `"`, `\"`) + `"`)
	}
	if n.Block == nil {
		return
	}
	b.WriteString(" {")
	for i := range n.Block {
		b.WriteByte(' ')
		if i > 0 && n.Block[i-1].Block == nil && (n.Name == "layer4" || sdk.Find(g.Matchers, n.Block[i-1].Name) != nil) {
			b.WriteByte('\n')
		}
		flatNode(b, &n.Block[i], g)
	}
	b.WriteString(" }")
}

// tame trees hold only words that flat can write, and only names that begin a
// directive in a flat block.
func tame(tree []sdk.Node) bool {
	for i := range tree {
		n := &tree[i]
		if strings.ContainsAny(n.Name, "\"# {") || n.Name == "vars" && n.Block != nil || n.Name == "mqtt" || n.Name == "unknown" || n.Name == "layer4" && n.Args != nil {
			return false
		}
		for _, a := range n.Args {
			if strings.ContainsAny(a.Text, "\\") || strings.Contains(a.Text, "{$") {
				return false
			}
			if n.Name == "route" && strings.HasPrefix(a.Text, "@") != (a.Text == "@a") {
				return false
			}
		}
		if !tame(n.Block) {
			return false
		}
	}
	return true
}

func TestATreeIsTheSameFlatAndLaidOut(t *testing.T) {
	t.Parallel()
	tried := 0
	randomTrees(t, 4_000, true, func(t *testing.T, tree []sdk.Node) {
		if !tame(tree) {
			return
		}
		tried++
		text := flat(tree, grammar())
		again, err := dwaarfile.ParseRaw("flat", []byte(text), grammar())
		if err != nil || !dwaarfile.Equal(tree, again) {
			t.Fatalf("%s\nis read as (%v)\n%s", text, err, cmp.Diff(dump(tree), dump(again)))
		}
	})
	if tried < 100 {
		t.Errorf("%d trees were written flat: too few to say anything", tried)
	}
	t.Log(fmt.Sprint(tried, " trees"))
}
