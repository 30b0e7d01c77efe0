package dwaarfile

import (
	"dwaar.dev/dwaar/sdk"
)

// What a configuration can grow to. No real one comes near; all of them keep an
// accident (an import of a log file, a snippet that doubles itself) small.
const (
	maxFile    = 16 << 20 // bytes of a file: a hundred thousand routes have 8 MB
	maxDepth   = 32       // blocks in blocks
	maxTokens  = 4 << 20  // after imports
	maxText    = 16 << 20 // bytes that imports and the environment put into words
	maxImports = 16       // imports in imports
)

// Options are what a configuration may use beside its own text. The zero value
// has no environment and imports snippets only.
type Options struct {
	// Env looks up an environment variable; os.LookupEnv in a program.
	Env func(name string) (string, bool)

	// Open reads an imported file, of which more than 16 MiB is an error, and Glob
	// lists the files that a pattern names. Paths are slash-separated and relative
	// to the directory of the main file; they never leave it by "..", and Open
	// refuses symlinks that do. [Dir] makes both.
	Open func(path string) ([]byte, error)
	Glob func(pattern string) ([]string, error)

	// Raw keeps {$NAME}, imports and snippets as they were written, for a tool
	// that prints the tree again.
	Raw bool
}

// Parse reads a Dwaarfile. It returns the tree with imports, snippets and the
// environment filled in, and all errors at once, as [sdk.Errors]. With errors the
// tree is what could be read, which is enough to look for more of them; it is nil
// if the text could not even be cut into words.
func Parse(name string, src []byte, g *sdk.Grammar, o Options) ([]sdk.Node, error) {
	l := newLoader(name, g, o)
	tree := l.text(name, src, nil, topScope(l.g))
	return tree, l.errs.Err()
}

// ParseRaw reads a Dwaarfile as it was written: imports and snippets are nodes,
// {$NAME} stays in its word, and comments are kept. It is for tools that print
// the tree again.
//
// A snippet is a node named "(name)". Comments behind the last node of the file
// stand above a last node without name and block. A word with a {$NAME} in it
// is not Quoted, however it was written; a Quoted word that looks like one
// holds that text.
func ParseRaw(name string, src []byte, g *sdk.Grammar) ([]sdk.Node, error) {
	return Parse(name, src, g, Options{Raw: true})
}

// parser reads tokens into nodes.
type parser struct {
	*loader
	toks   []token
	i      int
	notes  []string          // comments read and not yet given to a node
	bodies map[string][]body // of the snippets of ParseRaw, by their names
}

// peek returns the next token, behind any comments.
func (p *parser) peek() token {
	for p.toks[p.i].kind == comment {
		p.notes = append(p.notes, p.toks[p.i].text)
		p.i++
	}
	return p.toks[p.i]
}

// next consumes a token; the last one stays.
func (p *parser) next() token {
	t := p.peek()
	if t.kind != end {
		p.i++
	}
	return t
}

// beside returns the comment on the line just read, if there is one.
func (p *parser) beside() string {
	if t := p.toks[p.i]; t.kind == comment && !t.first {
		p.i++
		return t.text
	}
	return ""
}

// liftNote gives the comment at the end of a line to n if its last node on that
// line has it.
func (p *parser) liftNote(n *sdk.Node) {
	last := &n.Block[len(n.Block)-1]
	if !p.afterBlock() && last.Beside != "" {
		n.Beside, last.Beside = last.Beside, ""
	}
}

// takeNotes returns the comments before the next token.
func (p *parser) takeNotes() []string {
	p.peek()
	notes := p.notes
	p.notes = nil
	return notes
}

// lineEnds reports whether nothing follows on the line but perhaps a comment.
func (p *parser) lineEnds() bool {
	t := p.toks[p.i]
	return t.first || t.kind == comment || t.kind == closing || t.kind == end
}

// nodes reads directives up to a closing brace or the end.
func (p *parser) nodes(s *scope) []sdk.Node {
	nodes := []sdk.Node{}
	for {
		above := p.takeNotes()
		t := p.peek()
		if t.kind == end || t.kind == closing {
			p.notes = above
			return nodes
		}
		var read []sdk.Node
		if t.kind == opening {
			read = p.unnamed(s)
		} else {
			read = p.directive(s)
		}
		if len(read) > 0 {
			read[0].Above = append(above, read[0].Above...)
		}
		nodes = append(nodes, read...)
	}
}

// unnamed reads a block without a name: the global options, or an error.
func (p *parser) unnamed(s *scope) []sdk.Node {
	t := p.peek()
	n := sdk.Node{Pos: t.pos}
	switch {
	case !s.top:
		p.errorf(sdk.Errorf(t.pos, "a block without a name: put { behind its directive, on the same line"))
	case p.begun:
		p.errorf(sdk.Errorf(t.pos, "a block without a name holds the global options: put it first, or { on the line of its directive"))
	default:
		p.begun = true
		p.block(&n, specScope(&p.g.Global, s))
		p.learn(n.Block)
		return []sdk.Node{n}
	}
	p.block(&n, &scope{g: p.g})
	return nil
}

// declare makes the matchers known that the global options declare.
func declare(g *sdk.Grammar, global []sdk.Node) {
	for i := range global {
		g.Declare(&global[i])
	}
}

// learn makes the matchers known that the global options declare, to what is read
// behind them.
func (l *loader) learn(global []sdk.Node) {
	servers := false
	for i := range global {
		n := &global[i]
		spec := sdk.Find(l.g.Global.Block.Options, n.Name)
		servers = servers || spec != nil && spec.Block != nil && spec.Block.Holds&sdk.HoldsServers != 0
	}
	for i := range global {
		n := &global[i]
		known := len(l.g.Matchers)
		if l.g.Declare(n); len(l.g.Matchers) < known && servers && !l.o.Raw {
			l.errorf(sdk.Errorf(n.Pos, "%s would stand for the builtin matcher of that name, and servers in this block are read with that one: write them behind the block", n.Args[0].Text))
		}
	}
}

// directive reads one directive, which is several nodes if it is an import.
func (p *parser) directive(s *scope) []sdk.Node {
	t := p.peek()
	p.checkName(t, s)
	n := sdk.Node{Name: t.text, Pos: t.pos}
	switch {
	case t.quoted:
		p.next()
		p.plain(&n, s)
	case s.isSet(n.Name):
		p.next()
		p.set(&n, s)
	case s.isSnippet(n.Name):
		return p.snippet(s)
	case n.Name == importWord:
		p.next()
		p.args(&n, importSpec(), s)
		p.noBlock(s)
		n.Beside = p.beside()
		return p.imports(n, s)
	case s.holds&sdk.HoldsMatchers != 0 && sdk.Find(s.options, n.Name) == nil:
		return p.matchers(lineOf(s))
	default:
		p.next()
		p.plain(&n, s)
	}
	return []sdk.Node{n}
}

// checkName reports a word that cannot be the name of a directive here.
func (p *parser) checkName(t token, s *scope) {
	switch {
	case t.text == "":
		p.errorf(sdk.Errorf(t.pos, "a directive without a name: write one, or take the empty word out"))
	case t.quoted && (!s.ownNames() || t.text == importWord):
		p.errorf(sdk.Errorf(t.pos, "%q is quoted or from the environment, and no directive: write its name as it is", t.text))
	}
}

// plain reads what follows the name of a directive that is no matcher.
func (p *parser) plain(n *sdk.Node, s *scope) {
	p.begun = true
	spec := s.spec(n.Name)
	if spec != nil && spec.Negates && p.negated(n, s) {
		return
	}
	p.args(n, spec, s)
	n.Beside = p.beside()
	if t := p.toks[p.i]; t.kind == opening && !t.first {
		p.block(n, specScope(spec, s))
	}
}

// negated reads the option behind an option that negates.
func (p *parser) negated(n *sdk.Node, s *scope) bool {
	t := p.toks[p.i]
	if t.first || !t.keyword() || sdk.Find(s.options, t.text) == nil {
		return false
	}
	if !p.enter(t.pos) {
		p.skipLine()
		return true
	}
	defer p.leave()
	inner := sdk.Node{Name: t.text, Pos: t.pos}
	p.next()
	p.plain(&inner, s)
	n.Block = []sdk.Node{inner}
	p.liftNote(n)
	return true
}

// args reads the arguments of n.
func (p *parser) args(n *sdk.Node, spec *sdk.Spec, s *scope) {
	r := newReading(spec)
	for !p.lineEnds() && p.toks[p.i].kind == word && !p.endsArgs(n, r, s) {
		t := p.next()
		r.take(t.text)
		n.Args = append(n.Args, wordOf(t))
	}
}

// endsArgs reports whether the arguments of n end before the next word. A flat block
// ends them before its next directive, a line never does: there such a word is an
// error if it does not fit.
func (p *parser) endsArgs(n *sdk.Node, r *reading, s *scope) bool {
	t := p.toks[p.i]
	if !t.keyword() {
		return false
	}
	fits, firm := r.fits(t.text)
	switch {
	case !s.starts(t.text):
		return s.flat && s.line != nil && !fits // the next name of the user's own
	case s.flat:
		return !firm
	case firm, fits && !isNameShape(r.shape(t.text)):
		return false
	}
	p.errorf(sdk.Errorf(t.pos, "%s does not take %q: write it on its own line, or in quotes if it is an argument", n.Name, t.text))
	return true
}

func wordOf(t token) sdk.Word {
	return sdk.Word{Text: t.text, Quoted: t.quoted && !t.env, Pos: t.pos}
}

// block reads a block, with its braces, into n, behind the nodes n already has.
func (p *parser) block(n *sdk.Node, s *scope) {
	open := p.next()
	if n.Block == nil {
		n.Block = []sdk.Node{}
	}
	if !p.enter(open.pos) {
		p.i = min(closes(p.toks, p.i)+1, len(p.toks)-1)
		return
	}
	defer p.leave()
	s.flat = s.flat || isFlat(p.toks, p.i-1)
	if n.Beside == "" {
		n.Beside = p.beside()
	}
	n.Block = append(n.Block, p.nodes(s)...)
	n.Below = p.takeNotes()
	if t := p.peek(); t.kind == end {
		p.errorf(sdk.Errorf(open.pos, "this { has no }: close the block"))
		return
	}
	p.next()
}

// noBlock reports and skips a block where none can be.
func (p *parser) noBlock(s *scope) {
	if t := p.toks[p.i]; t.kind == opening && !t.first {
		p.errorf(sdk.Errorf(t.pos, "import takes no block: give arguments, {args[0]} stands for them in what is imported"))
		p.block(&sdk.Node{}, &scope{g: p.g, flat: s.flat})
	}
}

// skipLine skips what is left of the line.
func (p *parser) skipLine() {
	for !p.lineEnds() {
		if p.next().kind == opening {
			p.i = min(closes(p.toks, p.i)+1, len(p.toks)-1)
		}
	}
}

// enter counts a block, or reports that there are too many around it.
func (l *loader) enter(at sdk.Pos) bool {
	if l.depth < maxDepth {
		l.depth++
		return true
	}
	l.errorf(sdk.Errorf(at, "more than %d blocks in each other: use fewer", maxDepth))
	return false
}

func (l *loader) leave() { l.depth-- }
