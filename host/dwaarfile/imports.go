package dwaarfile

import (
	"path"
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

const importWord = "import"

// importSpec describes import: its arguments are free words.
func importSpec() *sdk.Spec {
	return &sdk.Spec{Name: importWord, Args: []sdk.Arg{sdk.Some("NAME", sdk.Free)}}
}

// snippet is a piece of configuration with a name. read gives its nodes where it
// is imported.
type snippet struct {
	pos  sdk.Pos
	read func(args []sdk.Word, at sdk.Pos, s *scope) []sdk.Node
}

// body is the inside of a snippet's braces.
type body struct {
	toks []token
	flat bool
}

// snippet reads "(name) { … }".
func (p *parser) snippet(s *scope) []sdk.Node {
	t := p.next()
	open := p.toks[p.i]
	switch {
	case open.kind != opening || open.first:
		p.errorf(sdk.Errorf(t.pos, "%s is the name of a snippet: put { behind it, or take the parentheses away", t.text))
		p.skipLine()
		return nil
	case !s.top:
		p.errorf(sdk.Errorf(t.pos, "the snippet %s stands inside a block: define it at the top of the file", t.text))
		p.block(&sdk.Node{}, &scope{g: p.g, flat: s.flat})
		return nil
	}
	to := closes(p.toks, p.i+1)
	last := p.toks[to]
	if last.kind != closing {
		p.errorf(sdk.Errorf(open.pos, "this { has no }: close the block"))
		p.i = to
		return nil
	}
	b := body{flat: isFlat(p.toks, p.i)}
	n := sdk.Node{Name: t.text, Pos: t.pos}
	p.i++
	n.Beside = p.beside()
	b.toks = append(slices.Clone(p.toks[p.i:to]), token{kind: end, first: true, pos: last.pos})
	p.i = to + 1
	p.define(t.text, snippet{t.pos, func(args []sdk.Word, at sdk.Pos, in *scope) []sdk.Node {
		return p.expand(b, args, at, in)
	}})
	if !p.o.Raw {
		return nil
	}
	p.bodies[n.Name] = append(p.bodies[n.Name], b)
	return []sdk.Node{n}
}

func (l *loader) define(name string, s snippet) {
	if old, ok := l.snippets[name]; ok {
		l.errorf(sdk.Errorf(s.pos, "the snippet %s is already defined at %s: give it another name", name, old.pos))
		return
	}
	l.snippets[name] = s
}

// expand reads the tokens of a snippet where it is imported.
func (l *loader) expand(b body, args []sdk.Word, at sdk.Pos, s *scope) []sdk.Node {
	if !l.count(len(b.toks), at) {
		return nil
	}
	p := &parser{loader: l, toks: l.fill(b.toks, args)}
	return p.nodes(s.as(b.flat))
}

// imports returns what an import stands for.
func (l *loader) imports(n sdk.Node, s *scope) []sdk.Node {
	if l.o.Raw {
		return []sdk.Node{n}
	}
	if len(n.Args) == 0 {
		l.errorf(sdk.Errorf(n.Pos, "import of nothing: write the name of a snippet or of a file behind it"))
		return nil
	}
	target, args := n.Args[0], n.Args[1:]
	if snip, ok := l.snippets["("+target.Text+")"]; ok {
		if !l.enterImport("("+target.Text+")", target.Pos) {
			return nil
		}
		defer l.leaveImport()
		return snip.read(args, target.Pos, s)
	}
	var nodes []sdk.Node
	for _, file := range l.files(target) {
		nodes = append(nodes, l.file(file, args, target.Pos, s)...)
	}
	return nodes
}

// enterImport reports cycles and too many imports in each other.
func (l *loader) enterImport(name string, at sdk.Pos) bool {
	if i := slices.Index(l.importing, name); i >= 0 {
		l.errorf(sdk.Errorf(at, "%s imports itself (%s): take one of these imports out",
			name, strings.Join(append(slices.Clone(l.importing[i:]), name), " → ")))
		return false
	}
	if len(l.importing) >= maxImports {
		l.errorf(sdk.Errorf(at, "more than %d imports in each other: use fewer", maxImports))
		return false
	}
	l.importing = append(l.importing, name)
	return true
}

func (l *loader) leaveImport() { l.importing = l.importing[:len(l.importing)-1] }

// files returns the paths that an import names, relative to the directory of the
// main file.
func (l *loader) files(target sdk.Word) []string {
	name, ok := l.beside(target)
	switch {
	case !ok:
		l.errorf(sdk.Errorf(target.Pos, "%q is not below the directory of %s: import relative paths below it", target.Text, path.Base(l.main)))
		return nil
	case !strings.ContainsAny(name, "*?["):
		return []string{name}
	case l.o.Glob == nil:
		l.noFiles(target.Text, target.Pos)
		return nil
	}
	names, err := l.o.Glob(name)
	if err != nil {
		l.errorf(sdk.Errorf(target.Pos, "importing %q: %v", target.Text, err))
		return nil
	}
	if len(names) == 0 && !strings.Contains(name, "*") {
		l.errorf(sdk.Errorf(target.Pos, "no file is called like %q: correct the pattern, or write * in it if there may be none", target.Text))
	}
	return names
}

// beside returns the path of an imported file, relative to the directory of the
// main file, and whether it stays below that.
func (l *loader) beside(target sdk.Word) (name string, ok bool) {
	dir, base := path.Dir(target.Pos.File), path.Dir(l.main)
	if base != "." {
		dir = strings.TrimPrefix(strings.TrimPrefix(dir, base), "/")
	}
	name = path.Join(dir, target.Text)
	return name, target.Text != "" && !path.IsAbs(target.Text) && name != ".." && !strings.HasPrefix(name, "../")
}

func (l *loader) noFiles(name string, at sdk.Pos) {
	l.errorf(sdk.Errorf(at, "there is no snippet (%s), and no files to import here: define the snippet above", name))
}

// file reads an imported file.
func (l *loader) file(name string, args []sdk.Word, at sdk.Pos, s *scope) []sdk.Node {
	if l.o.Open == nil {
		l.noFiles(name, at)
		return nil
	}
	if !l.enterImport(name, at) {
		return nil
	}
	defer l.leaveImport()
	src, err := l.o.Open(name)
	if err != nil {
		l.errorf(sdk.Errorf(at, "importing %q, which is no snippet: %v", name, err))
		return nil
	}
	if args == nil {
		args = []sdk.Word{}
	}
	full := path.Join(path.Dir(l.main), name)
	if isTOML(name) {
		return l.toml(full, src, args, s.as(false))
	}
	return l.text(full, src, args, s.as(false))
}
