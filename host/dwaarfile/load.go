package dwaarfile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"dwaar.dev/dwaar/sdk"
)

// loader is what all files of one configuration share.
type loader struct {
	g         *sdk.Grammar // with what the configuration declares, as far as it was read
	o         Options
	errs      sdk.Errors
	main      string // name of the main file
	snippets  map[string]snippet
	importing []string // what is being imported, outermost first
	tokens    int      // read so far, in all files and snippets
	filled    int      // bytes that the environment and imports put into words
	depth     int      // blocks around what is being read
	begun     bool     // a directive was read at the top
	lenient   bool     // any word may be the name of a matcher that is declared elsewhere
}

func newLoader(main string, g *sdk.Grammar, o Options) *loader {
	return &loader{g: g.Clone(), o: o, main: main, lenient: o.Raw, snippets: map[string]snippet{}}
}

func (l *loader) errorf(e *sdk.Error) { l.errs.Add(e.Pos, e) }

// text reads a Dwaarfile in the given scope. args are those of its import, nil
// for the main file.
func (l *loader) text(name string, src []byte, args []sdk.Word, s *scope) []sdk.Node {
	toks, ok := l.cut(name, src)
	if !ok {
		return nil
	}
	if l.o.Raw {
		s = guess(l.g, firstName(toks))
	} else {
		toks = l.fill(toks, args)
	}
	p := &parser{loader: l, toks: toks, bodies: map[string][]body{}}
	nodes := []sdk.Node{}
	for {
		nodes = append(nodes, p.nodes(s)...)
		t := p.next()
		if t.kind == end {
			break
		}
		p.errorf(sdk.Errorf(t.pos, "this } has no {: take it out, or put it into quotes"))
	}
	p.readSnippets(nodes, s)
	if notes := p.takeNotes(); len(notes) > 0 {
		nodes = append(nodes, sdk.Node{Above: notes})
	}
	return nodes
}

// cut cuts a file into tokens, without comments unless they are to be kept.
func (l *loader) cut(name string, src []byte) ([]token, bool) {
	if len(src) > maxFile {
		p := sdk.Pos{File: name}
		l.errorf(sdk.Errorf(p, "the file has more than %d bytes: split it and import the parts", maxFile))
		return nil, false
	}
	before := len(l.errs)
	toks := lex(name, src, &l.errs)
	if len(l.errs) > before || !l.count(len(toks), sdk.Pos{File: name}) {
		return nil, false
	}
	if l.o.Raw {
		for i := range toks {
			toks[i].env = toks[i].kind == word && hasEnv(toks[i])
			toks[i].quoted = toks[i].quoted || toks[i].env
		}
		return toks, true
	}
	kept := toks[:0]
	for _, t := range toks {
		if t.kind != comment {
			kept = append(kept, t)
		}
	}
	return kept, true
}

// count adds to the tokens read and reports too many.
func (l *loader) count(n int, at sdk.Pos) bool {
	was := l.tokens
	l.tokens += n
	if l.tokens > maxTokens && was <= maxTokens {
		l.errorf(sdk.Errorf(at, "this configuration has more than %d words, with its imports: write or import less", maxTokens))
	}
	return l.tokens <= maxTokens
}

// firstName returns the first word, "" if the text begins with a brace.
func firstName(toks []token) string {
	for _, t := range toks {
		if t.kind != comment {
			return t.text
		}
	}
	return ""
}

// fill puts the environment and the arguments of an import into the words.
// Definitions of snippets stay as they are: they are filled where they are
// imported.
func (l *loader) fill(toks []token, args []sdk.Word) []token {
	filled := make([]token, 0, len(toks))
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		if t.kind != word {
			filled = append(filled, t)
			continue
		}
		if isSnippet(t.text) && t.keyword() && toks[i+1].kind == opening {
			to := closes(toks, i+2)
			filled = append(filled, toks[i:to]...)
			i = to - 1
			continue
		}
		filled = append(filled, l.fillWord(t, args)...)
	}
	return filled
}

// fillWord fills one word. Only {args[:]} alone can become several words, or none.
func (l *loader) fillWord(t token, args []sdk.Word) []token {
	if args == nil && !hasEnv(t) {
		return []token{t}
	}
	if from, to, ok := argRange(t.text, len(args)); ok && args != nil {
		many := make([]token, 0, to-from)
		for i, a := range args[from:to] {
			many = append(many, token{text: a.Text, quoted: a.Quoted || t.quoted, first: t.first && i == 0, pos: t.pos})
		}
		return many
	}
	var text strings.Builder
	rest := t.text
	for rest != "" {
		rest = l.fillNext(&text, &t, rest, args)
	}
	t.text = text.String()
	return []token{t}
}

func hasEnv(t token) bool { return !t.raw && hasReference(t.text) }

// fillNext writes the beginning of rest up to and with its first reference, and
// returns what follows. Values are never read again: one cannot hold another.
func (l *loader) fillNext(text *strings.Builder, t *token, rest string, args []sdk.Word) string {
	before, name, def, hasDef, after, isEnv := reference(rest)
	if t.raw || !isEnv {
		before, isEnv = rest, false
	}
	if args != nil {
		if plain, index, behind, ok := argument(before); ok {
			text.WriteString(plain)
			text.WriteString(l.argument(t, index, args))
			return rest[len(before)-len(behind):]
		}
	}
	text.WriteString(before)
	if !isEnv {
		return ""
	}
	t.quoted = true
	text.WriteString(l.env(t.pos, name, def, hasDef))
	return after
}

// env returns the value of an environment variable.
func (l *loader) env(at sdk.Pos, name, def string, hasDef bool) string {
	value, ok := "", false
	if l.o.Env != nil {
		value, ok = l.o.Env(name)
	}
	switch {
	case !ok && hasDef:
		value = def
	case !ok:
		l.errorf(sdk.Errorf(at, "the environment has no %s: set it, or write {$%s:default}", name, name))
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		l.errorf(sdk.Errorf(at, "the value of %s in the environment is not UTF-8 text: set it to text", name))
		value = ""
	}
	return l.add(at, value)
}

// add counts a value that is put into a word.
func (l *loader) add(at sdk.Pos, value string) string {
	was := l.filled
	if l.filled += len(value); l.filled <= maxText {
		return value
	}
	if was <= maxText {
		l.errorf(sdk.Errorf(at, "imports and the environment put more than %d bytes into words: import less", maxText))
	}
	return ""
}

// argument finds the first {args[N]} in text.
func argument(text string) (before, index, after string, ok bool) {
	before, rest, ok := strings.Cut(text, "{args[")
	if !ok {
		return "", "", "", false
	}
	index, after, ok = strings.Cut(rest, "]}")
	return before, index, after, ok
}

// hasArgument reports whether an import fills in some of text.
func hasArgument(text string) bool {
	_, _, _, ok := argument(text)
	return ok
}

// argument returns argument index of an import.
func (l *loader) argument(t *token, index string, args []sdk.Word) string {
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(args) {
		l.errorf(sdk.Errorf(t.pos, "{args[%s]} is not given, this import has %s: give more, and count them from 0",
			index, arguments(len(args))))
		return ""
	}
	t.quoted = t.quoted || args[i].Quoted
	return l.add(t.pos, args[i].Text)
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// argRange reads {args[FROM:TO]}, where both may be left out, of n arguments.
func argRange(text string, n int) (from, to int, ok bool) {
	before, index, after, ok := argument(text)
	if !ok || before != "" || after != "" {
		return 0, 0, false
	}
	a, b, ok := strings.Cut(index, ":")
	from, okFrom := bound(a, 0)
	to, okTo := bound(b, n)
	return from, to, ok && okFrom && okTo && from <= to && to <= n
}

// bound reads one end of a range.
func bound(text string, without int) (int, bool) {
	if text == "" {
		return without, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}
