package dwaarfile

import (
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// onLine returns n on one line with the block it has, if it was written so and is
// read again as the same: a matcher set, a matcher with options, "not".
func (p *printer) onLine(n *sdk.Node, s *scope) (string, bool) {
	if len(n.Block) == 0 || !p.mayBeOnLine(n, s) || !wasOnLine(n, s.isSet(n.Name)) {
		return "", false
	}
	var words []lineWord
	flatten(n, &words)
	text, ok := p.words(words, s, func(read sdk.Node) bool { return equalNode(read, *n) })
	return text, ok && !strings.Contains(text, "\n")
}

func (p *printer) mayBeOnLine(n *sdk.Node, s *scope) bool {
	spec := sdk.Find(s.options, n.Name)
	return s.isSet(n.Name) || spec == nil && s.holds&sdk.HoldsMatchers != 0 || spec != nil && spec.Negates
}

// wasOnLine reports whether n should be on one line with all below it: it was, or it
// has no position and looks better so.
func wasOnLine(n *sdk.Node, isSet bool) bool {
	if n.Pos.Line == 0 && isSet && len(n.Block) > 1 {
		return false
	}
	for i := range n.Block {
		in := &n.Block[i]
		hasNotes := len(in.Above)+len(in.Below) > 0 || in.Beside != ""
		if hasNotes || in.Name == importWord || in.Pos.Line != n.Pos.Line || !wasOnLine(in, false) {
			return false
		}
	}
	return len(n.Below) == 0
}

// lineWord is a word of a line. A name is not quoted, unless it is the user's own.
type lineWord struct {
	sdk.Word
	name bool
}

// flatten lists the words of n and of all below it.
func flatten(n *sdk.Node, words *[]lineWord) {
	*words = append(*words, wordsOf(n)...)
	for i := range n.Block {
		flatten(&n.Block[i], words)
	}
}

// head returns n without its block.
func (p *printer) head(n *sdk.Node, s *scope) string {
	if n.Name == "" || s.isSet(n.Name) || s.isSnippet(n.Name) {
		return n.Name
	}
	want := sdk.Node{Name: n.Name, Args: n.Args}
	text, _ := p.words(wordsOf(n), s, func(read sdk.Node) bool { return equalNode(read, want) })
	return text
}

func wordsOf(n *sdk.Node) []lineWord {
	words := make([]lineWord, 0, 1+len(n.Args))
	words = append(words, lineWord{sdk.Word{Text: n.Name}, true})
	for _, a := range n.Args {
		words = append(words, lineWord{a, false})
	}
	return words
}

// words writes a directive with as few quotes as it takes to be read again as the
// same: none but for what no bare word can hold; if that does not do, around words
// that are also directives; if that does not do either, around all.
func (p *printer) words(words []lineWord, s *scope, same func(sdk.Node) bool) (string, bool) {
	quoted := make([]bool, len(words))
	text := join(words, quoted)
	if p.reads(text, s, same) {
		return text, true
	}
	for _, all := range []bool{false, true} {
		for i, w := range words {
			quoted[i] = (all || p.isName(w.Text)) && (!w.name || s.ownNames())
		}
		if text = join(words, quoted); p.reads(text, s, same) {
			return p.unquote(words, quoted, s, same), true
		}
	}
	return text, false
}

// maxUnquote is how many words are tried without their quotes, each with a
// reading of the line: nobody looks at the quotes of a longer list.
const maxUnquote = 64

// unquote takes away the quotes that are not needed, one by one.
func (p *printer) unquote(words []lineWord, quoted []bool, s *scope, same func(sdk.Node) bool) string {
	if len(words) <= maxUnquote {
		for i := range quoted {
			if quoted[i] {
				quoted[i] = false
				quoted[i] = !p.reads(join(words, quoted), s, same)
			}
		}
	}
	return join(words, quoted)
}

func join(words []lineWord, quoted []bool) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = quote(w.Word, quoted[i])
	}
	return strings.Join(texts, " ")
}

// reads reports whether a line is read as the same directive.
func (p *printer) reads(text string, s *scope, same func(sdk.Node) bool) bool {
	l := p.reader
	l.errs, l.tokens, l.depth = nil, 0, 0
	toks, ok := l.cut("", []byte(text))
	if !ok {
		return false
	}
	in := &parser{loader: l, toks: toks, bodies: map[string][]body{}}
	read := in.directive(s.as(false))
	return len(l.errs) == 0 && in.peek().kind == end && len(read) == 1 && same(read[0])
}

func (p *printer) isName(text string) bool {
	return isSet(text) || isSnippet(text) || text == importWord || p.names[text] || p.reader.g.Owner(text) != ""
}

// namesOf lists the names and aliases of all directives.
func namesOf(g *sdk.Grammar) map[string]bool {
	names := map[string]bool{}
	var add func(specs []sdk.Spec, depth int)
	add = func(specs []sdk.Spec, depth int) {
		for _, spec := range specs {
			names[spec.Name] = true
			for _, alias := range spec.Aliases {
				names[alias] = true
			}
			if spec.Block != nil && depth < maxDepth {
				add(spec.Block.Options, depth+1)
			}
		}
	}
	for _, specs := range [][]sdk.Spec{g.Top, {g.Global, g.Server, g.Route, g.Deny}, g.Matchers, g.Handlers} {
		add(specs, 0)
	}
	return names
}
