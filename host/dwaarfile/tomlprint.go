package dwaarfile

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"dwaar.dev/dwaar/sdk"
)

// maxInline is how many characters an inline table has before it gets a header of
// its own, if it can have one, and a list before it gets a line for each element.
const maxInline = 80

// PrintTOML writes a tree as TOML in the form of [ParseTOML]. Comments stay where
// TOML has a line for their directive; those inside an inline table are lost.
//
// What it writes is read again as the same tree ([Equal]) and printed again as the
// same text; it fails with [ErrTree] if that cannot be.
func PrintTOML(w io.Writer, tree []sdk.Node, g *sdk.Grammar) error {
	p := &tomlPrinter{}
	p.section(tree, guess(g, firstNode(tree)), nil, false)
	for _, n := range tree {
		if isNote(&n) {
			p.notes(n.Above)
		}
	}
	again, err := ParseTOML("", p.out.Bytes(), g, Options{Raw: true})
	if err != nil || !Equal(again, tree) {
		return ErrTree
	}
	_, err = w.Write(p.out.Bytes())
	return err
}

type tomlPrinter struct{ out bytes.Buffer }

// run is a directive, or several of one name behind each other: one key.
type run struct {
	key   string
	nodes []sdk.Node
}

// runs sorts the directives of a block by key. ok is false if keys cannot say
// their order, or not their names.
func runs(nodes []sdk.Node, s *scope) (all []run, ok bool) {
	seen := map[string]bool{}
	for _, n := range withoutNotes(nodes) {
		key, joined, ok := keyOf(&n, s)
		if !ok {
			return nil, false
		}
		if len(all) > 0 && all[len(all)-1].key == key {
			all[len(all)-1].nodes = append(all[len(all)-1].nodes, joined)
			continue
		}
		if seen[key] {
			return nil, false
		}
		seen[key] = true
		all = append(all, run{key, []sdk.Node{joined}})
	}
	return all, true
}

// keyOf returns the key of a directive, and the directive without the arguments
// that are in the key: the addresses of a server.
func keyOf(n *sdk.Node, s *scope) (string, sdk.Node, bool) {
	switch n.Name {
	case argsKey, blockKey, doKey:
		return "", *n, false
	case "":
		return globalKey, *n, s.top
	case globalKey:
		return globalKey, *n, !s.top
	}
	if s.holds&sdk.HoldsServers == 0 || s.find(n.Name) != nil {
		return n.Name, *n, true
	}
	names := append([]string{n.Name}, n.Texts()...)
	key := strings.Join(names, " ")
	if slices.Equal(splitKey(key), names) && !hasReference(key) && s.find(key) == nil {
		without := *n
		without.Args = nil
		return key, without, true
	}
	return n.Name, *n, slices.Equal(splitKey(n.Name), names[:1])
}

// section writes the directives of a block behind the header of its table: first
// those that are one line, then those with headers of their own.
func (p *tomlPrinter) section(nodes []sdk.Node, s *scope, path []string, hasArgs bool) {
	all, ok := runs(nodes, s)
	if !ok || hasArgs && len(all) == 0 {
		p.out.WriteString(blockKey + " = " + p.breakList(list(nodes, s)) + "\n")
		return
	}
	first := firstHeader(all, s)
	for _, r := range all[:first] {
		p.notes(r.nodes[0].Above)
		p.out.WriteString(tomlKeyText(r.key) + " = " + p.breakList(runValue(r, s)))
		p.beside(&r.nodes[len(r.nodes)-1])
	}
	for _, r := range all[first:] {
		p.tables(r, s, append(path[:len(path):len(path)], tomlKeyText(r.key)))
	}
}

// firstHeader returns the index of the first directive with a header: behind it
// all have one. Where a header gives shape, the others follow; where it only saves
// a long line, it waits until no other directive follows.
func firstHeader(all []run, s *scope) int {
	shape := s.top || s.holds&(sdk.HoldsServers|sdk.HoldsRoutes) != 0
	for i, r := range all {
		if shape && wantsHeader(r, s) {
			return i
		}
	}
	first := len(all)
	for first > 0 && wantsHeader(all[first-1], s) {
		first--
	}
	return first
}

// wantsHeader reports whether a directive gets a table with a header: what gives a
// configuration its shape, and what is too long for a line.
func wantsHeader(r run, s *scope) bool {
	if len(r.nodes) == 1 && r.nodes[0].Block == nil {
		return false
	}
	return s.top || s.holds&sdk.HoldsServers != 0 || isRoute(r.key, s) || len(inline(runValue(r, s))) > maxInline
}

func isRoute(key string, s *scope) bool { return s.find(key) == &s.g.Route }

// tables writes the tables of one key.
func (p *tomlPrinter) tables(r run, s *scope, path []string) {
	open, closing := "[", "]"
	if len(r.nodes) > 1 || isRoute(r.key, s) {
		open, closing = "[[", "]]"
	}
	for i := range r.nodes {
		n := &r.nodes[i]
		if open == "[" && saysNothing(n, s) {
			p.section(n.Block, s.inside(n), path, false)
			continue
		}
		if p.out.Len() > 0 {
			p.out.WriteByte('\n')
		}
		p.notes(n.Above)
		p.out.WriteString(open + strings.Join(path, ".") + closing)
		p.beside(n)
		if len(n.Args) > 0 || n.Block == nil {
			p.out.WriteString(argsKey + " = " + p.breakList(argsValue(n)) + "\n")
		}
		if n.Block != nil {
			p.section(n.Block, s.inside(n), path, len(n.Args) > 0)
			p.notes(n.Below)
		}
	}
}

// saysNothing reports whether the header of a table can be left out: the headers of
// what is in it imply it.
func saysNothing(n *sdk.Node, s *scope) bool {
	in := s.inside(n)
	all, ok := runs(n.Block, in)
	return ok && len(all) > 0 && firstHeader(all, in) == 0 && len(n.Args)+len(n.Above)+len(n.Below) == 0 && n.Beside == ""
}

func (p *tomlPrinter) notes(notes []string) {
	for _, text := range notes {
		p.out.WriteString(tomlNote(text) + "\n")
	}
}

func (p *tomlPrinter) beside(n *sdk.Node) {
	if n.Beside != "" {
		p.out.WriteString(" " + tomlNote(n.Beside))
	}
	p.out.WriteByte('\n')
}

// tomlNote writes a comment. TOML allows no control characters in it.
func tomlNote(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, note(text))
}

// A value is written inline ("a", ["a", "b"], {…}), and a list that is long with
// a line for each element.
type value struct {
	text  string // of what is no list
	elems []value
	list  bool
}

func inline(v value) string {
	if !v.list {
		return v.text
	}
	texts := make([]string, len(v.elems))
	for i, e := range v.elems {
		texts[i] = inline(e)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (p *tomlPrinter) breakList(v value) string {
	text := inline(v)
	if !v.list || len(text) <= maxInline {
		return text
	}
	var b strings.Builder
	b.WriteString("[\n")
	for _, e := range v.elems {
		b.WriteString("\t" + inline(e) + ",\n")
	}
	b.WriteString("]")
	return b.String()
}

// runValue is the value of a key.
func runValue(r run, s *scope) value {
	if len(r.nodes) == 1 {
		return nodeValue(&r.nodes[0], s)
	}
	v := value{list: true}
	for i := range r.nodes {
		v.elems = append(v.elems, tableValue(&r.nodes[i], s, ""))
	}
	return v
}

// nodeValue is the value of a directive that stands alone.
func nodeValue(n *sdk.Node, s *scope) value {
	if n.Block == nil {
		return loneArgs(n)
	}
	if _, ok := runs(n.Block, s.inside(n)); !ok && len(n.Args) == 0 {
		return list(n.Block, s.inside(n))
	}
	return tableValue(n, s, "")
}

// loneArgs is the value of a directive without block: true, one word or several.
func loneArgs(n *sdk.Node) value {
	if len(n.Args) == 0 {
		return value{text: "true"}
	}
	return argsValue(n)
}

func argsValue(n *sdk.Node) value {
	if len(n.Args) == 1 {
		return value{text: tomlText(n.Args[0])}
	}
	v := value{list: true}
	for _, a := range n.Args {
		v.elems = append(v.elems, value{text: tomlText(a)})
	}
	return v
}

// tableValue is a directive as an inline table; do is its name where it stands in
// a list.
func tableValue(n *sdk.Node, s *scope, do string) value {
	var pairs []string
	if do != "" {
		pairs = append(pairs, doKey+" = "+do)
	}
	if len(n.Args) > 0 || n.Block == nil {
		pairs = append(pairs, argsKey+" = "+inline(argsValue(n)))
	}
	if n.Block != nil {
		in := s.inside(n)
		all, ok := runs(n.Block, in)
		if !ok || len(all) == 0 && len(pairs) > 0 {
			pairs = append(pairs, blockKey+" = "+inline(list(n.Block, in)))
			all = nil
		}
		for _, r := range all {
			pairs = append(pairs, tomlKeyText(r.key)+" = "+inline(runValue(r, in)))
		}
	}
	if len(pairs) == 0 {
		return value{text: "{}"}
	}
	return value{text: "{ " + strings.Join(pairs, ", ") + " }"}
}

// list is a block as a list of directives.
func list(nodes []sdk.Node, s *scope) value {
	v := value{list: true, elems: []value{}}
	nodes = withoutNotes(nodes)
	for i := range nodes {
		n := &nodes[i]
		name := tomlText(sdk.Word{Text: n.Name})
		if n.Name == "" && s.top {
			name = tomlText(sdk.Word{Text: globalKey})
		}
		if n.Block != nil {
			v.elems = append(v.elems, tableValue(n, s, name))
			continue
		}
		e := value{list: true, elems: []value{{text: name}}}
		for _, a := range n.Args {
			e.elems = append(e.elems, value{text: tomlText(a)})
		}
		v.elems = append(v.elems, e)
	}
	return v
}

func tomlKeyText(key string) string {
	bare := key != "" && !strings.ContainsFunc(key, func(r rune) bool { return !isMarker(r) })
	if bare {
		return key
	}
	return tomlText(sdk.Word{Text: key})
}

// tomlText writes a word as a basic string. A {$NAME} that is text is written so
// that it is not filled in.
func tomlText(w sdk.Word) string {
	text := w.Text
	if w.Quoted && hasReference(text) {
		text = strings.ReplaceAll(text, "{$", "\x00$")
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == 0:
			b.WriteString(`\u007B`)
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
