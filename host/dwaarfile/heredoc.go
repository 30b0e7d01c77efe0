package dwaarfile

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"dwaar.dev/dwaar/sdk"
)

// heredocMarker returns MARKER if the word <<MARKER begins here.
func (l *lexer) heredocMarker() string {
	rest, found := strings.CutPrefix(l.src[l.at:], "<<")
	if !found {
		return ""
	}
	marker := rest
	if n := strings.IndexFunc(rest, func(r rune) bool { return !isMarker(r) }); n >= 0 {
		marker = rest[:n]
		if r, _ := utf8.DecodeRuneInString(rest[n:]); !unicode.IsSpace(r) && r != '}' {
			return ""
		}
	}
	return marker
}

func isMarker(r rune) bool {
	return r == '_' || r == '-' || r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// heredoc reads the lines up to the one that begins with the marker. What stands
// before the marker there is taken from the beginning of each line.
func (l *lexer) heredoc() string {
	start, marker := l.pos(), l.heredocMarker()
	l.skip(2 + len(marker))
	if l.lineEnd(l.at) == 0 {
		l.errorf(sdk.Errorf(start, "<<%s begins a text on the next line: end the line here, or put quotes around this word", marker))
		return ""
	}
	crlf := l.lineEnd(l.at) == 2
	l.skip(l.lineEnd(l.at))
	var lines []string
	for l.at < len(l.src) {
		line, _, more := strings.Cut(l.src[l.at:], "\n")
		if indent, ok := heredocEnd(line, marker); ok {
			l.skip(len(indent) + len(marker))
			return l.dedent(start, lines, indent)
		}
		if l.skip(len(line)); more {
			l.next()
		}
		if crlf {
			line = strings.TrimSuffix(line, "\r")
		}
		lines = append(lines, line)
	}
	l.errorf(sdk.Errorf(start, "the text that begins here has no end: close it with %s on a line of its own", marker))
	return ""
}

// heredocEnd reports whether line holds the closing marker, and returns what stands
// before the marker.
func heredocEnd(line, marker string) (indent string, ok bool) {
	text := strings.TrimLeft(line, " \t")
	rest, ok := strings.CutPrefix(text, marker)
	if !ok || rest != "" && !strings.ContainsRune(" \t\r}", rune(rest[0])) {
		return "", false
	}
	return line[:len(line)-len(text)], true
}

func (l *lexer) dedent(start sdk.Pos, lines []string, indent string) string {
	for i, line := range lines {
		text, ok := strings.CutPrefix(line, indent)
		if !ok && strings.TrimSpace(line) != "" {
			pos := sdk.Pos{File: l.file, Line: start.Line + 1 + i, Col: 1}
			l.errorf(sdk.Errorf(pos, "this line is indented less than the marker that ends the text: indent it as the marker"))
		}
		if !ok {
			text = ""
		}
		lines[i] = text
	}
	return strings.Join(lines, "\n")
}
