package dwaarfile

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"dwaar.dev/dwaar/sdk"
)

// lexer cuts a Dwaarfile into tokens. It knows quotes, braces and lines, and no
// directive.
type lexer struct {
	src   string
	at    int // offset of the next character
	file  string
	line  int
	col   int
	first bool // the next token is the first of its line
	toks  []token
	errs  *sdk.Errors
}

// lex returns the tokens of src, which end with one of kind end. If it reports
// errors the tokens are not worth reading.
func lex(file string, src []byte, errs *sdk.Errors) []token {
	l := &lexer{src: string(src), file: file, line: 1, col: 1, first: true, errs: errs}
	if !l.clean() {
		return nil
	}
	l.src = strings.TrimPrefix(l.src, "\ufeff")
	l.toks = make([]token, 0, min(len(src)/8, maxTokens)) // about what text has
	for l.space(); l.at < len(l.src) && len(l.toks) <= maxTokens; l.space() {
		l.token()
	}
	l.add(token{kind: end, pos: l.pos(), first: true})
	return l.toks
}

// clean reports what no text file holds.
func (l *lexer) clean() bool {
	err := notText(l.file, l.src)
	if err != nil {
		l.errorf(err)
	}
	return err == nil
}

// notText returns the first place that no text file holds, or nil.
func notText(file, src string) *sdk.Error {
	line, col := 1, 1
	for i, r := range src {
		pos := sdk.Pos{File: file, Line: line, Col: col}
		if r == 0 {
			return sdk.Errorf(pos, "a NUL byte: this is not a text file")
		}
		if _, n := utf8.DecodeRuneInString(src[i:]); r == utf8.RuneError && n == 1 {
			return sdk.Errorf(pos, "byte 0x%02x is not UTF-8: save the file as UTF-8", src[i])
		}
		if col++; r == '\n' {
			line, col = line+1, 1
		}
	}
	return nil
}

func (l *lexer) pos() sdk.Pos { return sdk.Pos{File: l.file, Line: l.line, Col: l.col} }

func (l *lexer) errorf(e *sdk.Error) { l.errs.Add(e.Pos, e) }

// peek returns the next character, or 0 at the end.
func (l *lexer) peek() rune {
	if l.at >= len(l.src) {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.at:])
	return r
}

func (l *lexer) next() rune {
	r, n := utf8.DecodeRuneInString(l.src[l.at:])
	l.at += n
	if l.col++; r == '\n' {
		l.line, l.col = l.line+1, 1
	}
	return r
}

// skip consumes n bytes.
func (l *lexer) skip(n int) {
	for to := l.at + n; l.at < to; {
		l.next()
	}
}

func (l *lexer) add(t token) {
	l.toks = append(l.toks, t)
	l.first = false
}

// lineEnd returns the length of the line end at offset i, or 0.
func (l *lexer) lineEnd(i int) int {
	switch {
	case strings.HasPrefix(l.src[i:], "\n"):
		return 1
	case strings.HasPrefix(l.src[i:], "\r\n"):
		return 2
	}
	return 0
}

// space consumes white space and continued line ends.
func (l *lexer) space() {
	for l.at < len(l.src) {
		r := l.peek()
		switch {
		case r == '\n':
			l.first = true
		case l.continues():
			l.skip(l.lineEnd(l.at + 1))
		case !unicode.IsSpace(r):
			return
		}
		l.next()
	}
}

// token reads the token that begins here.
func (l *lexer) token() {
	t := token{pos: l.pos(), first: l.first}
	switch r := l.peek(); {
	case r == '#':
		t.kind, t.text = comment, l.comment()
	case r == '"':
		t.quoted, t.text = true, l.quotes()
		l.behindQuote()
	case r == '`':
		t.quoted, t.raw, t.text = true, true, l.backticks()
		l.behindQuote()
	case r == '}':
		t.kind = closing
		l.next()
	case r == '{' && l.standsAlone():
		t.kind = opening
		l.next()
	case l.heredocMarker() != "":
		t.quoted, t.raw, t.text = true, true, l.heredoc()
		l.behindQuote()
	default:
		t.text = l.word()
	}
	l.add(t)
}

// standsAlone reports whether white space or nothing follows the brace here.
func (l *lexer) standsAlone() bool {
	rest := l.src[l.at+1:]
	r, _ := utf8.DecodeRuneInString(rest)
	return rest == "" || unicode.IsSpace(r)
}

func (l *lexer) comment() string {
	l.next()
	n := strings.IndexByte(l.src[l.at:], '\n')
	if n < 0 {
		n = len(l.src) - l.at
	}
	text := l.src[l.at : l.at+n]
	l.skip(n)
	return strings.TrimRightFunc(text, unicode.IsSpace)
}

// quotes reads "…". Of a run of backslashes before a quotation mark every second
// one stays, and an odd one makes the mark a character; all others are
// characters.
func (l *lexer) quotes() string {
	start := l.pos()
	l.next()
	var text strings.Builder
	slashes := 0
	for l.at < len(l.src) {
		r := l.next()
		switch {
		case r == '\\':
			slashes++
			continue
		case r == '"' && slashes%2 == 0:
			text.WriteString(strings.Repeat(`\`, slashes/2))
			return text.String()
		case r == '"':
			slashes /= 2
		}
		text.WriteString(strings.Repeat(`\`, slashes))
		slashes = 0
		text.WriteRune(r)
	}
	l.errorf(sdk.Errorf(start, `the text that begins here has no end: close it with "`))
	return ""
}

func (l *lexer) backticks() string {
	start := l.pos()
	l.next()
	n := strings.IndexByte(l.src[l.at:], '`')
	if n < 0 {
		l.skip(len(l.src) - l.at)
		l.errorf(sdk.Errorf(start, "the text that begins here has no end: close it with `"))
		return ""
	}
	text := l.src[l.at : l.at+n]
	l.skip(n + 1)
	return text
}

// behindQuote reports text directly behind a closing quotation mark.
func (l *lexer) behindQuote() {
	if !l.endsWord(0) {
		l.errorf(sdk.Errorf(l.pos(), "text directly behind a closing quote: put a space between, or all of it into the quotes"))
		l.word()
	}
}

// word reads a word without quotes. Braces in it are characters as long as they
// are balanced: a closing one without partner ends the word.
func (l *lexer) word() string {
	start, from, depth := l.pos(), l.at, 0
	for !l.endsWord(depth) {
		if n := l.reference(); n > 0 {
			l.skip(n)
			continue
		}
		switch l.next() {
		case '{':
			depth++
		case '}':
			depth--
		}
	}
	text := l.src[from:l.at]
	switch {
	case depth > 0:
		l.errorf(sdk.Errorf(start, "%q has a { without its }: put white space around the { of a block, or quotes around the word", text))
	case strings.HasSuffix(text, `\`):
		l.errorf(sdk.Errorf(start, `%q ends in a backslash, which at the end of a line continues it: put quotes around the word`, text))
	case text == "{}":
		l.errorf(sdk.Errorf(start, `{} is neither a block nor a word: write { } for an empty block, "{}" for the text`))
	}
	return text
}

// endsWord reports whether a word with so many open braces ends here.
func (l *lexer) endsWord(depth int) bool {
	if l.at >= len(l.src) {
		return true
	}
	r := l.peek()
	return unicode.IsSpace(r) || r == '}' && depth == 0 || l.continues()
}

// continues reports whether the line ends here and continues on the next one.
func (l *lexer) continues() bool {
	return strings.HasPrefix(l.src[l.at:], `\`) && l.lineEnd(l.at+1) > 0
}

// reference returns the length of the {$NAME} or {$NAME:default} that begins
// here, or 0. A default may hold white space, but no line end.
func (l *lexer) reference() int {
	rest := l.src[l.at:]
	if !strings.HasPrefix(rest, "{$") {
		return 0
	}
	n := strings.IndexAny(rest, "}\n")
	if n < 0 {
		return 0
	}
	if before, _, _, _, _, found := reference(rest[:n+1]); !found || before != "" {
		return 0
	}
	return n + 1
}
