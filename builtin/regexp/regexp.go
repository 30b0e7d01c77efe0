// Package regexp matches the first bytes of a connection against a regular
// expression, for protocols that have no matcher of their own.
//
//	@mqtt regexp ^\x10..\x00\x04MQTT 8
//	@fix regexp ^8=FIX 5
//	@raw regexp ^9E..BC4 4 hex
//
// The pattern sees the first COUNT bytes, 4 unless told, and nothing before they
// are there: a client that sends fewer is held until the matching phase ends. Only
// a pattern that begins with ^ and fixed text says No before. Bytes are read as
// UTF-8, so a pattern for bytes from 0x80 on is written for their hexadecimal
// digits: with hex it sees "9E79BC40".
package regexp

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"dwaar.dev/dwaar/sdk"
)

const (
	defaultCount = 4
	maxCount     = 16 << 10 // the default max_head
	hexWord      = "hex"
	hexDigits    = "0123456789ABCDEF"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "regexp",
		Doc:  "The first COUNT bytes contain a match of the pattern; with hex, their upper-case hexadecimal digits do",
		Args: []sdk.Arg{
			sdk.One("PATTERN", sdk.Regexp),
			{Name: "COUNT", Shape: sdk.Int, Max: 1, AnyOrder: true},
			{Name: "hex", Shape: sdk.Enum, Words: []string{hexWord}, Max: 1, AnyOrder: true},
		},
	}
}

// Matcher matches the first bytes against a pattern. Make one with [New].
type Matcher struct {
	re     *regexp.Regexp
	count  int
	hex    bool
	prefix string // what the text must begin with, if it is long enough
	first  *[4]uint64
}

// New makes the matcher of a node that fits [Spec].
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &Matcher{count: defaultCount}
	pattern := n.Args[0]
	for _, w := range n.Args[1:] {
		if strings.EqualFold(w.Text, hexWord) {
			m.hex = true
			continue
		}
		count, err := sdk.ParseInt(w.Text)
		if err != nil || count < 1 || count > maxCount {
			return nil, sdk.Errorf(w.Pos, "regexp looks at %s bytes: write a number from 1 to %d", w.Text, maxCount)
		}
		m.count = count
	}
	var err error
	if m.re, err = regexp.Compile(pattern.Text); err != nil {
		return nil, sdk.Errorf(pattern.Pos, "%v", err) // its shape was checked
	}
	m.prefix = anchored(pattern.Text)
	if m.hex && strings.Trim(m.prefix, hexDigits) != "" {
		return nil, sdk.Errorf(pattern.Pos, "regexp %s hex never matches: it begins with %q, write digits and the capital letters A to F", pattern.Text, m.prefix)
	}
	if m.size() < len(m.prefix) {
		return nil, sdk.Errorf(pattern.Pos, "regexp %s never matches %d bytes: it begins with %q, write a greater number behind it", pattern.Text, m.count, m.prefix)
	}
	m.first = m.starts()
	return m, nil
}

// size is the length of the text the pattern sees.
func (m *Matcher) size() int {
	if m.hex {
		return 2 * m.count
	}
	return m.count
}

// anchored returns the text that every match begins with, at the beginning of the
// text, or "".
func anchored(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	re = re.Simplify()
	if re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	var b strings.Builder
	for _, sub := range re.Sub[1:] {
		if sub.Op != syntax.OpLiteral || sub.Flags&syntax.FoldCase != 0 {
			break
		}
		for _, r := range sub.Rune {
			if r == utf8.RuneError { // matches any byte that is no UTF-8
				return b.String()
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

// starts returns the bytes that can come first, or nil for any.
func (m *Matcher) starts() *[4]uint64 {
	if m.prefix == "" {
		return nil
	}
	var set [4]uint64
	for b := range 256 {
		if m.begins([]byte{byte(b)}) {
			set[b>>6] |= 1 << (b & 63)
		}
	}
	return &set
}

// First implements [sdk.Starter].
func (m *Matcher) First() *[4]uint64 { return m.first }

// Waits returns how many bytes a client must send before the matcher can say No to
// it, or 0 if it can at the first.
func (m *Matcher) Waits() int {
	if m.prefix == "" {
		return m.count
	}
	return 0
}

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	head := f.Head
	switch {
	case len(head) >= m.count:
		if m.matches(f) {
			return sdk.Yes, nil
		}
		return sdk.No, nil
	case !m.begins(head):
		return sdk.No, nil
	case m.seen(head) < len(m.prefix):
		return sdk.Need(len(head) + 1), nil
	}
	return sdk.Need(m.count), nil
}

func (m *Matcher) matches(f *sdk.Flow) bool {
	head := f.Head[:m.count]
	if !m.hex {
		return m.re.Match(head)
	}
	return m.re.Match(sdk.Parse(f, reset).of(head))
}

// seen is how much of the text the head gives.
func (m *Matcher) seen(head []byte) int {
	if m.hex {
		return 2 * len(head)
	}
	return len(head)
}

// begins reports whether the head is not in contradiction to the prefix.
func (m *Matcher) begins(head []byte) bool {
	n := min(m.seen(head), len(m.prefix))
	if !m.hex {
		return string(head[:n]) == m.prefix[:n]
	}
	for i := range n {
		if digit(head, i) != m.prefix[i] {
			return false
		}
	}
	return true
}

// digits is a buffer for the hexadecimal digits of a head; all matchers of a
// connection write the same there.
type digits struct{ text []byte }

func reset(_ *sdk.Flow, d *digits) { d.text = d.text[:0] }

// Reset implements sdk.Resetter.
func (d *digits) Reset() { d.text = d.text[:0] }

// of returns the digits of head. What was written for a shorter head is not
// written again.
func (d *digits) of(head []byte) []byte {
	for i := len(d.text); i < 2*len(head); i++ {
		d.text = append(d.text, digit(head, i))
	}
	return d.text[:2*len(head)]
}

// digit returns the i-th hexadecimal digit of b.
func digit(b []byte, i int) byte {
	c := b[i/2]
	if i%2 == 0 {
		c >>= 4
	}
	return hexDigits[c&15]
}
