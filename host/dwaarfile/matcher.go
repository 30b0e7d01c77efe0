package dwaarfile

import (
	"dwaar.dev/dwaar/sdk"
)

// line is where matchers stand behind each other.
type line struct {
	in   *scope // the block around it, whose directives end it if it is flat
	many bool   // a matcher may follow another
}

// lineOf is a line in a block of matchers.
func lineOf(s *scope) *line { return &line{s, s.flat} }

// set reads what follows @name: a block of matchers, or matchers on the line.
func (p *parser) set(n *sdk.Node, s *scope) {
	t, l := p.toks[p.i], &line{s, true}
	switch {
	case t.first:
	case t.kind == opening:
		p.block(n, setScope(s))
	case t.kind == word && p.wants(l):
		if !p.enter(t.pos) {
			p.skipLine()
			return
		}
		defer p.leave()
		n.Block = p.matchers(l)
		p.liftNote(n)
	}
}

// matchers reads one matcher or, where many may stand, all of them.
func (p *parser) matchers(l *line) []sdk.Node {
	nodes := []sdk.Node{p.matcher(l)}
	for l.many && !p.lineEnds() && p.toks[p.i].kind == word && !p.endsLine(l) && !p.afterBlock() {
		nodes = append(nodes, p.matcher(l))
	}
	if t := p.toks[p.i]; !p.lineEnds() && !l.many && t.kind == word && !p.afterBlock() {
		p.errorf(sdk.Errorf(t.pos, "a second matcher, %s, on the line of %s: write it on its own line", t.text, nodes[0].Name))
	}
	return nodes
}

// afterBlock reports whether a block has just ended, and with it the directive.
func (p *parser) afterBlock() bool { return p.i > 0 && p.toks[p.i-1].kind == closing }

// endsLine reports whether the next word belongs to the flat block around the line.
func (p *parser) endsLine(l *line) bool {
	t := p.toks[p.i]
	if !l.in.flat || !t.keyword() {
		return false
	}
	return l.in.starts(t.text)
}

// beginsDeny reports whether the next word is the deny of the flat block around the line,
// which names a set, and no option of that name.
func (p *parser) beginsDeny(l *line) bool {
	t, next := p.toks[p.i], p.toks[min(p.i+1, len(p.toks)-1)]
	return p.endsLine(l) && t.text == p.g.Deny.Name && next.kind == word && next.keyword() && isSet(next.text)
}

// wants reports whether the next word is read as a matcher where one is wanted: it does
// not belong to the flat block around the line unless it is both.
func (p *parser) wants(l *line) bool {
	return !p.endsLine(l) || sdk.Find(p.g.Matchers, p.toks[p.i].text) != nil
}

// isMatcher reports whether a word is a matcher where one is wanted.
func (p *parser) isMatcher(name string) bool {
	return sdk.Find(p.g.Matchers, name) != nil || p.g.Owner(name) != ""
}

// matcher reads a matcher with its arguments and options. An unknown one takes
// everything up to the end of the line.
func (p *parser) matcher(l *line) sdk.Node {
	t := p.next()
	switch {
	case t.quoted:
		p.errorf(sdk.Errorf(t.pos, "%q is quoted or from the environment, and no matcher: write its name as it is", t.text))
	case isSet(t.text), isSnippet(t.text):
		p.errorf(sdk.Errorf(t.pos, "%s is no matcher: a set is made of matchers, write them here", t.text))
	case t.text == importWord:
		p.errorf(sdk.Errorf(t.pos, "import stands on a line of its own: put { and } around it"))
	}
	n := sdk.Node{Name: t.text, Pos: t.pos}
	spec := sdk.Find(p.g.Matchers, t.text)
	switch {
	case spec == nil || t.quoted:
		p.args(&n, nil, l.in)
		p.matcherBlock(&n, nil, l)
	case takesMatcher(spec):
		p.not(&n, spec, l)
	default:
		p.known(&n, spec, l)
	}
	return n
}

// takesMatcher reports whether a matcher is "not": it takes one matcher or a block.
func takesMatcher(spec *sdk.Spec) bool {
	return spec.Block != nil && spec.Block.Holds&sdk.HoldsMatchers != 0
}

func (p *parser) not(n *sdk.Node, spec *sdk.Spec, l *line) {
	t := p.toks[p.i]
	if !p.lineEnds() && t.kind == word && p.wants(l) {
		if !p.enter(t.pos) {
			p.skipLine()
			return
		}
		defer p.leave()
		n.Block = []sdk.Node{p.matcher(l)}
		p.liftNote(n)
		return
	}
	p.matcherBlock(n, spec, l)
}

// matcherBlock reads the comment and the block behind a matcher.
func (p *parser) matcherBlock(n *sdk.Node, spec *sdk.Spec, l *line) {
	n.Beside = p.beside()
	if t := p.toks[p.i]; t.kind == opening && !t.first {
		p.block(n, specScope(spec, l.in))
	}
}

// known reads a matcher that has a description, by rule 4: each word is an option
// of it, an argument of what was read last, the next matcher, or an error.
func (p *parser) known(n *sdk.Node, spec *sdk.Spec, l *line) {
	m := &matching{spec: spec, matcher: n, last: n, args: newReading(spec)}
	for done := false; !done && !p.lineEnds() && p.toks[p.i].kind == word; {
		done = p.inlineWord(m, l)
	}
	if m.last != n && m.option.Block != nil {
		p.matcherBlock(m.last, m.option, l)
		return
	}
	p.matcherBlock(n, spec, l)
}

// inlineWord reads the next word of a matcher, and says that nothing more
// belongs to it.
func (p *parser) inlineWord(m *matching, l *line) (done bool) {
	t := p.toks[p.i]
	if p.beginsDeny(l) {
		p.missing(m, t, "the next directive")
		return true
	}
	if nots := m.nots(p); nots >= 0 {
		p.missing(m, t, "an option")
		return !p.begin(m, nots)
	}
	fits, firm := m.fits(p, t)
	if !fits || !firm && p.endsLine(l) {
		return p.another(m, t, l)
	}
	m.take(p.next())
	return false
}

// another reports whether the matcher ends before t, which fits nowhere in it. If
// nothing else can begin with t either, that is an error: t stands for an argument that
// is still needed, or is skipped.
func (p *parser) another(m *matching, t token, l *line) bool {
	if p.endsLine(l) || p.isMatcher(t.text) {
		p.missing(m, t, "the next directive")
		return true
	}
	if p.lenient { // an imported file may declare it
		if !l.many {
			m.take(p.next())
		}
		return l.many
	}
	if a := m.args.missing(); a != nil && !a.AnyOrder && a.Fits(t.text) != nil {
		p.errorf(sdk.Errorf(t.pos, "%s: %s %q %s", m.last.Name, a.Name, t.text, a.Fits(t.text))) // as the schema says it
		m.take(p.next())
		return false
	}
	p.errorf(sdk.Errorf(t.pos, "%q is no %s, and no matcher: %s", t.text, m.what(), m.why(p.g, t.text)))
	m.args.take(p.next().text)
	return false
}

// missing reports that t cannot end an argument that is still needed.
func (p *parser) missing(m *matching, t token, reading string) {
	if a := m.args.missing(); a != nil {
		p.errorf(sdk.Errorf(t.pos, "%s needs %s, but %q is %s here: write %s before it, or quote it if that is what it is",
			m.last.Name, a.Name, t.text, reading, a.Name))
	}
}

// matching is a matcher being read with the options behind it.
type matching struct {
	spec    *sdk.Spec
	matcher *sdk.Node
	last    *sdk.Node // the matcher, or its option being read
	option  *sdk.Spec // of last, nil while that is the matcher
	args    *reading  // of last
}

// nots reports whether an option begins here, behind so many that negate it: -1 if none
// does. Behind http, "not" is its own only if another option of it follows.
func (m *matching) nots(p *parser) int {
	for i := p.i; ; i++ {
		t := p.toks[i]
		if !t.keyword() || i > p.i && t.first {
			return -1
		}
		option := m.optionOf(t.text)
		if option == nil {
			return -1
		}
		if !option.Negates {
			return i - p.i
		}
	}
}

func (m *matching) optionOf(name string) *sdk.Spec {
	if m.spec.Block == nil {
		return nil
	}
	return sdk.Find(m.spec.Block.Options, name)
}

// begin begins to read an option behind so many that negate it.
func (p *parser) begin(m *matching, nots int) bool {
	if p.depth+nots > maxDepth {
		p.errorf(sdk.Errorf(p.toks[p.i].pos, "more than %d blocks in each other: use fewer", maxDepth))
		p.skipLine()
		return false
	}
	block := &m.matcher.Block
	for range nots + 1 {
		t := p.next()
		*block = append(*block, sdk.Node{Name: t.text, Pos: t.pos})
		m.last = &(*block)[len(*block)-1]
		m.option = m.optionOf(t.text)
		block = &m.last.Block
	}
	m.args = newReading(m.option)
	return true
}

// fits reports whether t is the next argument, and whether it can be nothing else. A
// quoted word can be nothing else; the unquoted name of a builtin matcher is no
// host and no protocol.
func (m *matching) fits(p *parser, t token) (fits, firm bool) {
	if !t.keyword() || p.o.Raw && hasArgument(t.text) {
		return true, true
	}
	fits, firm = m.args.fits(t.text)
	if fits && isNameShape(m.args.shape(t.text)) && sdk.Find(p.g.Matchers, t.text) != nil {
		return false, false
	}
	return fits, firm
}

func (m *matching) take(t token) {
	m.args.take(t.text)
	m.last.Args = append(m.last.Args, wordOf(t))
}

// what says what a word would have to be.
func (m *matching) what() string {
	if m.last == m.matcher {
		return "argument or option of " + m.matcher.Name
	}
	return "argument of " + m.last.Name + ", no option of " + m.matcher.Name
}

// why says what the argument should look like.
func (m *matching) why(g *sdk.Grammar, text string) string {
	for i, a := range m.args.args {
		if err := a.Fits(text); err != nil && m.args.room(i) {
			return a.Name + " " + err.Error()
		}
	}
	for _, o := range g.Global.Block.Options {
		if o.Declares {
			return "leave it out, or declare the " + o.Name + " of that name in the global options"
		}
	}
	return "leave it out"
}
