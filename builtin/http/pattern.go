package http

import "strings"

// pattern is a path or value as a Caddyfile writes them: exact, "prefix*",
// "*suffix" or "*substring*".
type pattern struct {
	text          string
	before, after bool // more may stand there
	fold          bool // text is lower case and letters match in any case
	glob          bool // text has a "*" inside: any run without "/"
}

func parsePattern(text string) pattern {
	var p pattern
	text, p.after = strings.CutSuffix(text, "*")
	p.text, p.before = strings.CutPrefix(text, "*")
	return p
}

// parsePath reads a pattern for paths: letters match in any case, and a "*" in the
// middle, as in /accounts/*/info, stands for any run without a slash.
func parsePath(text string) pattern {
	text = strings.Map(lowerRune, text)
	p := parsePattern(text)
	p.fold = true
	if strings.Contains(p.text, "*") {
		return pattern{text: text, fold: true, glob: true}
	}
	return p
}

func lowerRune(c rune) rune {
	if c < 0x80 {
		return rune(lower(byte(c)))
	}
	return c
}

func (p *pattern) match(b []byte) bool {
	n := len(p.text)
	switch {
	case p.glob:
		return globs(b, p.text)
	case p.before && p.after:
		return p.in(b)
	case len(b) < n || len(b) > n && !p.before && !p.after:
		return false
	case p.before:
		return p.is(b[len(b)-n:])
	}
	return p.is(b[:n])
}

func (p *pattern) is(b []byte) bool {
	if p.fold {
		return equalFold(b, p.text)
	}
	return string(b) == p.text
}

func (p *pattern) in(b []byte) bool {
	for n := len(p.text); len(b) >= n; b = b[1:] {
		if p.is(b[:n]) {
			return true
		}
		if len(b) == 0 {
			break
		}
	}
	return false
}

// globs goes back to the last "*" only: an earlier one could not pass the slash
// that stopped it either.
func globs(b []byte, text string) bool {
	i, j, star, from := 0, 0, -1, 0
	for i < len(b) {
		switch {
		case j < len(text) && text[j] == '*':
			star, from = j, i
			j++
		case j < len(text) && lower(b[i]) == text[j]:
			i, j = i+1, j+1
		case star >= 0 && b[from] != '/':
			from++
			i, j = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(text[j:], "*") == ""
}
