package dwaarfile

import (
	"fmt"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// quote writes a word so that it is read again as the same text: as it is if that
// is possible and always is false.
func quote(w sdk.Word, always bool) string {
	refers := hasReference(w.Text)
	switch {
	case !always && !(refers && w.Quoted) && isBare(w.Text):
		return w.Text
	case refers && w.Quoted:
		return rawQuote(w.Text)
	case !refers && strings.Contains(w.Text, `"`) && !strings.ContainsAny(w.Text, "`\n"):
		return "`" + w.Text + "`"
	default:
		return doubleQuote(w.Text)
	}
}

// isBare reports whether text without quotes is read as one word, itself.
func isBare(text string) bool {
	var errs sdk.Errors
	toks := lex("", []byte(text), &errs) // also fails for a heredoc's <<MARKER
	return len(errs) == 0 && len(toks) == 2 && toks[0].kind == word && !toks[0].quoted &&
		toks[0].text == text && text != ""
}

// doubleQuote writes "…": a run of backslashes before a quotation mark is
// doubled, with one more for a mark that belongs to the text.
func doubleQuote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for _, r := range text {
		switch r {
		case '\\':
			slashes++
		case '"':
			b.WriteString(strings.Repeat(`\`, slashes+1))
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat(`\`, slashes))
	b.WriteByte('"')
	return b.String()
}

// rawQuote writes text in which nothing is filled in.
func rawQuote(text string) string {
	if !strings.Contains(text, "`") {
		return "`" + text + "`"
	}
	marker := "EOF"
	for i := 1; holdsMarker(text, marker); i++ {
		marker = fmt.Sprintf("EOF%d", i)
	}
	return "<<" + marker + "\n" + text + "\n" + marker
}

func holdsMarker(text, marker string) bool {
	for line := range strings.Lines(text) {
		if _, ok := heredocEnd(strings.TrimSuffix(line, "\n"), marker); ok {
			return true
		}
	}
	return false
}
