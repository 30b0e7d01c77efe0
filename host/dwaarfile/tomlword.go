package dwaarfile

import (
	"strconv"
	"strings"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// splitKey cuts a key at its spaces, but not at those of a {$NAME:default}.
func splitKey(key string) []string {
	var errs sdk.Errors
	var names []string
	for _, tok := range lex("", []byte(key), &errs) {
		if tok.kind == end && len(errs) == 0 && len(names) > 0 {
			return names
		}
		if tok.kind != word || tok.quoted || tok.first && len(names) > 0 {
			break
		}
		names = append(names, tok.text)
	}
	return []string{key}
}

func (t *tomlReader) fillKey(names []string, pos sdk.Pos) []sdk.Word {
	var words []sdk.Word
	for _, name := range names {
		words = append(words, t.fillText(token{text: name, pos: pos})...)
	}
	for i := range words {
		words[i].Quoted = i > 0 && !hasReference(words[i].Text)
	}
	return words
}

// fillText returns the words that a text stands for.
func (t *tomlReader) fillText(tok token) []sdk.Word {
	t.count(1, tok.pos)
	if strings.ContainsRune(tok.text, 0) {
		t.errorf(sdk.Errorf(tok.pos, "a text holds a NUL character: leave it out"))
		tok.text = strings.ReplaceAll(tok.text, "\x00", "")
	}
	toks := []token{tok}
	if !t.o.Raw {
		toks = t.fillWord(tok, t.args)
	}
	words := make([]sdk.Word, len(toks))
	for i, tok := range toks {
		words[i] = sdk.Word{Text: tok.text, Quoted: !t.o.Raw || !hasEnv(tok), Pos: tok.pos}
	}
	return words
}

// words returns the arguments that a scalar or an array of them stands for.
func (t *tomlReader) words(v *tomlValue) []sdk.Word {
	switch v.decoded {
	case true:
		return nil
	case false:
		t.errorf(sdk.Errorf(v.pos, "false is no argument: leave the directive out"))
		return nil
	}
	if !v.isArray() {
		return t.word(v)
	}
	var words []sdk.Word
	for _, e := range v.elems {
		words = append(words, t.word(e)...)
	}
	return words
}

func (t *tomlReader) word(v *tomlValue) []sdk.Word {
	tok := token{quoted: true, pos: v.pos}
	switch d := v.decoded.(type) {
	case string:
		tok.text, tok.raw = d, !hasReference(v.source)
	case int64:
		tok.text = strconv.FormatInt(d, 10)
	case float64:
		tok.text = strconv.FormatFloat(d, 'f', -1, 64)
	case time.Time:
		tok.text = v.source
	default:
		tok.text = v.source // true and false in a list are words
	}
	return t.fillText(tok)
}

func allScalars(v *tomlValue) bool {
	for _, e := range v.elems {
		if e.isArray() || e.isTable() {
			return false
		}
	}
	return true
}

// allTables reports whether an array is a directive given several times.
func allTables(v *tomlValue) bool {
	for _, e := range v.elems {
		if !e.isTable() || e.get(doKey) != nil {
			return false
		}
	}
	return true
}
