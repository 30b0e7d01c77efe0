package dwaarfile

import (
	"errors"

	"dwaar.dev/dwaar/sdk"
)

// Token is a token as tests see it.
type Token struct {
	Word    sdk.Word
	Comment bool
	Brace   bool
	First   bool
}

// Lex cuts a text into tokens, without the last one.
func Lex(src string) ([]Token, error) {
	var errs sdk.Errors
	toks := lex("lex", []byte(src), &errs)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	if len(toks) == 0 || toks[len(toks)-1].kind != end {
		return nil, errors.New("the last token is no end")
	}
	seen := make([]Token, len(toks)-1)
	for i, t := range toks[:len(toks)-1] {
		seen[i] = Token{sdk.Word{Text: t.text, Quoted: t.quoted, Pos: t.pos}, t.kind == comment, t.kind == opening || t.kind == closing, t.first}
	}
	return seen, nil
}

// Quote writes a word with the quotes it needs.
func Quote(w sdk.Word) string { return quote(w, false) }

// HasReference reports whether a text holds a {$NAME}.
func HasReference(text string) bool { return hasReference(text) }
