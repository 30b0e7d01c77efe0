package dwaarfile

import (
	"strings"
	"unicode"

	"dwaar.dev/dwaar/sdk"
)

// kind says what a token is.
type kind uint8

const (
	word    kind = iota
	opening      // {
	closing      // }
	comment      // # to the line's end
	end          // behind the last token
)

// token is a piece of a Dwaarfile.
type token struct {
	kind   kind
	text   string // word: without its quotes; comment: without "#"
	quoted bool   // "…", `…`, a heredoc, or partly from the environment: never syntax
	env    bool   // quoted because of a {$ENV} that is not filled in
	raw    bool   // `…` or a heredoc: {$ENV} in it is text
	first  bool   // first of its line
	pos    sdk.Pos
}

// keyword reports whether the token can be a directive's name.
func (t token) keyword() bool { return t.kind == word && !t.quoted }

// isSet reports whether a name is that of a matcher set.
func isSet(name string) bool { return strings.HasPrefix(name, "@") }

// isSnippet reports whether a name is that of a snippet: (name).
func isSnippet(name string) bool {
	return len(name) > 2 && name[0] == '(' && name[len(name)-1] == ')'
}

// closes returns the index of the closing brace of the block whose first token is
// toks[i], or of the last token if the block is never closed.
func closes(toks []token, i int) int {
	for depth := 0; i < len(toks)-1; i++ {
		switch {
		case toks[i].kind == opening:
			depth++
		case toks[i].kind == closing && depth == 0:
			return i
		case toks[i].kind == closing:
			depth--
		}
	}
	return i
}

// isFlat reports whether the block behind toks[i], its opening brace, is flat: a word
// follows on the same line.
func isFlat(toks []token, i int) bool {
	return i+1 < len(toks) && !toks[i+1].first && (toks[i+1].kind == word || toks[i+1].kind == opening)
}

// reference finds the first {$NAME} or {$NAME:default} in text.
func reference(text string) (before, name, def string, hasDef bool, after string, found bool) {
	for from := 0; ; {
		i := strings.Index(text[from:], "{$")
		if i < 0 {
			return text, "", "", false, "", false
		}
		i += from
		n := strings.IndexAny(text[i:], "}\n")
		if n < 0 || text[i+n] == '\n' {
			from = i + 2
			continue
		}
		name, def, hasDef = strings.Cut(text[i+2:i+n], ":")
		if isEnvName(name) {
			return text[:i], name, def, hasDef, text[i+n+1:], true
		}
		from = i + 2
	}
}

// hasReference reports whether text holds a {$NAME}.
func hasReference(text string) bool {
	_, _, _, _, _, found := reference(text)
	return found
}

func isEnvName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("{}$\"`", r)
	})
}
