package dwaarfile

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"dwaar.dev/dwaar/sdk"
)

// The keys of a table that are no directives, and the name of the global options.
const (
	argsKey   = "args"   // arguments beside a block
	blockKey  = "block"  // the block as a list, where the order of keys cannot say it
	doKey     = "do"     // in such a list, the name of the directive
	globalKey = "global" // at the top, the block without a name
)

// ParseTOML reads the same tree from TOML. Each key is a directive:
//
//	echo = true                        a directive without arguments
//	lb_policy = "least_conn"           with one
//	to = ["10.0.0.1:1", "10.0.0.2:1"]  with several
//	[layer4.":443"]                    with a block
//	[[layer4.":443".route]]            with a block, several times
//	args = "@app"                      the arguments beside the block
//
// Where directives of different names alternate, which keys cannot say, the block
// is a list of directives, ["name", args…] or {do = "name", args = […], …}, as
// the value of the directive's key or, beside args, of the key "block". The global
// options are the table "global", wherever it stands. In layer4 the key of a
// server holds all its addresses, separated by spaces. A table that holds nothing
// but args is no block; {} is an empty one.
//
// Words are quoted words. Numbers and times are the words they are written as,
// without underscores and in decimal. {$NAME} in a string is filled in;
// "\u007B$NAME}" is how to write that text.
//
// The positions are those of keys and values in the text, found by a scanner of
// this package next to the library that reads the values. Comments are lost.
func ParseTOML(name string, src []byte, g *sdk.Grammar, o Options) ([]sdk.Node, error) {
	l := newLoader(name, g, o)
	tree := l.toml(name, src, nil, topScope(l.g))
	return tree, l.errs.Err()
}

// maxNesting is how deep brackets and dotted keys may go before the library, which
// recurses, gets to see them.
const maxNesting = 4 * maxDepth

// toml reads a TOML file in the given scope.
func (l *loader) toml(name string, src []byte, args []sdk.Word, s *scope) []sdk.Node {
	at := sdk.Pos{File: name}
	if len(src) > maxFile {
		l.errorf(sdk.Errorf(at, "the file has more than %d bytes: split it and import the parts", maxFile))
		return nil
	}
	if err := notText(name, string(src)); err != nil {
		l.errorf(err)
		return nil
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	if line := tooDeep(text); line > 0 {
		at.Line, at.Col = line, 1
		l.errorf(sdk.Errorf(at, "more than %d brackets or dots in each other: use fewer", maxNesting))
		return nil
	}
	decoded := map[string]any{}
	if _, err := toml.Decode(text, &decoded); err != nil {
		l.errorf(tomlError(name, text, err))
		return nil
	}
	root, err := scanTOML(name, text, decoded)
	if err != nil {
		l.errs.Add(at, err)
		return nil
	}
	if l.o.Raw {
		s = guess(l.g, firstKey(root))
	}
	t := &tomlReader{loader: l, args: args}
	return globalFirst(t.block(root, s))
}

// tomlError is what the library says, where it says it.
func tomlError(name, text string, err error) *sdk.Error {
	at, msg := sdk.Pos{File: name}, err.Error()
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		msg = parse.Message
		before := text[:min(max(parse.Position.Start, 0), len(text))]
		at.Line = strings.Count(before, "\n") + 1
		at.Col = utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	}
	return sdk.Errorf(at, "reading TOML: %s", msg)
}

// tooDeep returns the line where text nests too deeply for a reader that recurses,
// or 0. It knows strings and comments, and errs to the safe side in text that is
// no TOML.
func tooDeep(text string) int {
	s := &tomlScanner{lexer: lexer{src: text, line: 1}}
	depth, dots := 0, 0
	for s.at < len(s.src) {
		switch r := s.peek(); r {
		case '#':
			s.comment()
			continue
		case '"', '\'':
			s.text()
			continue
		case '[', '{':
			depth, dots = depth+1, 0
		case ']', '}':
			depth = max(depth-1, 0)
		case '.':
			dots++
		case '=', ',', '\n':
			dots = 0
		}
		if s.next(); depth > maxNesting || dots > maxNesting {
			return s.line
		}
	}
	return 0
}

// firstKey returns the name of the first directive.
func firstKey(root *tomlValue) string {
	if list := root.get(blockKey); list != nil && len(list.elems) > 0 {
		k, _ := listName(list.elems[0])
		return k.name
	}
	if len(root.keys) == 0 || root.keys[0].name == globalKey {
		return ""
	}
	return root.keys[0].name
}

// globalFirst puts the global options before the first directive, as in a
// Dwaarfile: the order of tables means nothing to who writes TOML.
func globalFirst(nodes []sdk.Node) []sdk.Node {
	to := slices.IndexFunc(nodes, func(n sdk.Node) bool { return !isSnippet(n.Name) && n.Name != importWord })
	from := slices.IndexFunc(nodes, func(n sdk.Node) bool { return n.Name == "" })
	if from > to {
		n := nodes[from]
		nodes = slices.Insert(slices.Delete(nodes, from, from+1), to, n)
	}
	return nodes
}

// tomlReader turns TOML values into nodes.
type tomlReader struct {
	*loader
	args []sdk.Word // of the import being read
}

// block returns the directives in a table.
func (t *tomlReader) block(table *tomlValue, s *scope) []sdk.Node {
	nodes := []sdk.Node{}
	if list := table.get(blockKey); list != nil {
		t.onlyBlock(table)
		if !list.isArray() {
			t.errorf(sdk.Errorf(list.pos, `block is a list of directives: write ["name", "argument"] or {do = "name", …} in it`))
			return nodes
		}
		return t.list(list, s)
	}
	for _, k := range table.keys {
		if k.name == argsKey && !s.top || k.name == doKey {
			continue
		}
		nodes = append(nodes, t.key(k, s)...)
	}
	return nodes
}

func (t *tomlReader) onlyBlock(table *tomlValue) {
	for _, k := range table.keys {
		if k.name != blockKey && k.name != argsKey && k.name != doKey {
			t.errorf(sdk.Errorf(k.pos, "%s stands beside a block that is a list: put it into the list", k.name))
		}
	}
}

// key returns the directives that a key stands for.
func (t *tomlReader) key(k tomlKey, s *scope) []sdk.Node {
	v := k.value
	switch {
	case v.isTable():
		return t.table(k, v, s)
	case !v.isArray(), allScalars(v):
		n := t.node(k, s)
		n.Args = append(n.Args, t.words(v)...)
		return t.done(n, v, s)
	case allTables(v):
		nodes := []sdk.Node{}
		for _, e := range v.elems {
			nodes = append(nodes, t.table(tomlKey{name: k.name, pos: e.pos}, e, s)...)
		}
		return nodes
	default:
		n := t.node(k, s)
		in := s.inside(&n)
		return t.snippetOr(n, s, func(in *scope, r *tomlReader) []sdk.Node { return r.list(v, in) }, in)
	}
}

// table returns the directive that has a table.
func (t *tomlReader) table(k tomlKey, v *tomlValue, s *scope) []sdk.Node {
	n := t.node(k, s)
	if args := v.get(argsKey); args != nil {
		if !args.isTable() && allScalars(args) {
			n.Args = append(n.Args, t.words(args)...)
		} else {
			t.errorf(sdk.Errorf(args.pos, "args are words: put directives beside it, or into block"))
		}
	}
	if isArgs(v) {
		return t.done(n, v, s)
	}
	return t.snippetOr(n, s, func(in *scope, r *tomlReader) []sdk.Node { return r.block(v, in) }, s.inside(&n))
}

// isArgs reports whether a table has arguments and nothing else: it is no block.
func isArgs(v *tomlValue) bool {
	for _, k := range v.keys {
		if k.name != argsKey && k.name != doKey {
			return false
		}
	}
	return len(v.keys) > 0
}

// snippetOr gives n its block, or keeps that to be read where n, a snippet, is
// imported.
func (t *tomlReader) snippetOr(n sdk.Node, s *scope, read func(*scope, *tomlReader) []sdk.Node, in *scope) []sdk.Node {
	if t.o.Raw || !s.isSnippet(n.Name) {
		if !t.enter(n.Pos) {
			return nil
		}
		defer t.leave()
		n.Block = read(in, t)
		if n.Name == "" {
			declare(t.g, n.Block)
		}
		return t.done(n, nil, s)
	}
	if !s.top {
		t.errorf(sdk.Errorf(n.Pos, "the snippet %s stands inside a block: define it at the top of the file", n.Name))
		return nil
	}
	t.define(n.Name, snippet{n.Pos, func(args []sdk.Word, _ sdk.Pos, in *scope) []sdk.Node {
		return read(in.as(false), &tomlReader{loader: t.loader, args: args})
	}})
	return nil
}

// node begins a directive. The key of a server holds its addresses.
func (t *tomlReader) node(k tomlKey, s *scope) sdk.Node {
	names := []string{k.name}
	if !k.whole && s.holds&sdk.HoldsServers != 0 && s.find(k.name) == nil {
		names = splitKey(k.name)
	}
	if s.top && k.name == globalKey {
		return sdk.Node{Pos: k.pos}
	}
	words := t.fillKey(names, k.pos)
	if len(words) == 0 || words[0].Text == "" {
		t.errorf(sdk.Errorf(k.pos, "a directive without a name: write one, or take the empty word out"))
		return sdk.Node{Name: "?", Pos: k.pos}
	}
	return sdk.Node{Name: words[0].Text, Args: words[1:len(words):len(words)], Pos: k.pos}
}

// done finishes a directive whose value v, if not nil, is no block.
func (t *tomlReader) done(n sdk.Node, v *tomlValue, s *scope) []sdk.Node {
	t.begun = true
	switch {
	case s.isSet(n.Name) && v != nil && len(n.Args) > 0:
		t.errorf(sdk.Errorf(v.pos, "%s takes a table of matchers, not words: write { ssh = true } or { tls = { sni = \"…\" } }", n.Name))
	case n.Name == importWord:
		return t.imports(n, s)
	}
	return []sdk.Node{n}
}

// list returns the directives of a block that is a list.
func (t *tomlReader) list(v *tomlValue, s *scope) []sdk.Node {
	nodes := []sdk.Node{}
	for _, e := range v.elems {
		k, ok := listName(e)
		switch {
		case !ok:
			t.errorf(sdk.Errorf(e.pos, `a list of directives holds ["name", "argument"] or {do = "name", …}: write it so`))
		case e.isTable():
			nodes = append(nodes, t.table(k, e, s)...)
		default:
			n := t.node(k, s)
			for _, w := range e.elems[1:] {
				n.Args = append(n.Args, t.word(w)...)
			}
			nodes = append(nodes, t.done(n, e, s)...)
		}
	}
	return nodes
}

// listName returns the name of a directive in a list.
func listName(e *tomlValue) (tomlKey, bool) {
	var v *tomlValue
	switch {
	case e.isTable():
		v = e.get(doKey)
	case e.isArray() && len(e.elems) > 0 && allScalars(e):
		v = e.elems[0]
	}
	if v == nil {
		return tomlKey{}, false
	}
	name, ok := v.decoded.(string)
	return tomlKey{name: name, pos: v.pos, whole: true}, ok
}
