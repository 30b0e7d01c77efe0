package http

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"dwaar.dev/dwaar/sdk"
)

var _ sdk.Patterned = (*Matcher)(nil)

// Pattern implements [sdk.Patterned] for matchers with nothing but paths, or nothing but
// a pattern for the path, so that many routes by path are told apart in one pass. by is
// nil for all others.
func (m *Matcher) Pattern() (by sdk.Selector, pattern string) {
	if len(m.conditions) != 1 {
		return nil, ""
	}
	switch c := m.conditions[0].(type) {
	case pathRegexp:
		return pathSelector{}, c.String()
	case paths:
		if text := c.pattern(); text != "" {
			return pathSelector{}, text
		}
	}
	return nil, ""
}

// pattern returns the regular expression that says the same, or "" where a "*" inside
// stands for a run without a slash.
func (ps paths) pattern() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		if p.glob || strings.ContainsRune(p.text, utf8.RuneError) {
			return ""
		}
		texts[i] = more(p.before) + anyCase(p.text) + more(p.after)
	}
	return "(?s)^(?:" + strings.Join(texts, "|") + ")$"
}

func more(after bool) string {
	if after {
		return ".*"
	}
	return ""
}

// anyCase returns the expression for a text in lower case whose letters match in any
// case. The flag i would fold more than ASCII.
func anyCase(text string) string {
	var b strings.Builder
	for _, r := range text {
		if 'a' <= r && r <= 'z' {
			b.WriteString("[" + string(r-'a'+'A') + string(r) + "]")
			continue
		}
		b.WriteString(regexp.QuoteMeta(string(r)))
	}
	return b.String()
}

// pathSelector finds the path.
type pathSelector struct{}

// Key implements [sdk.Selector].
func (pathSelector) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	r := sdk.Parse(f, fill)
	switch {
	case !r.knows(afterLine):
		return nil, r.pending()
	case r.badPath:
		return nil, sdk.Unknown
	}
	return r.text(f.Head, r.path), sdk.Yes
}
