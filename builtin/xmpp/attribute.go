package xmpp

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// The namespaces of RFC 6120 sections 4.8.1 and 4.8.2, and of XEP-0114.
const (
	streams   = "http://etherx.jabber.org/streams"
	client    = "jabber:client"
	server    = "jabber:server"
	component = "jabber:component:accept"
)

// maxTo is the length of the longest domain that becomes a fact.
const maxTo = 255

// attribute is the end of an attribute's value.
func (s *stream) attribute(head []byte) part {
	name, value := head[s.name:s.end], head[s.value:s.at]
	ok := utf8.Valid(name) && utf8.Valid(value)
	switch {
	case !ok:
		return impossible
	case s.declaring:
		ok = s.declare(string(name), value)
	case string(name) == "to":
		ok = !s.hasTo && s.setTo(value)
		s.hasTo = true
	case string(name) == "xmlns":
		ok = s.setDefault(value)
	case s.isOwnNamespace(head, name):
		ok = !s.hasStreams && is(value, streams)
		s.hasStreams = true
	default:
		_, ok = expand(nil, value)
	}
	if !ok {
		return impossible
	}
	return behindValue
}

// declare reads an attribute of the XML declaration: version, encoding, standalone, in
// this order, the first of them always (XML 1.0 section 2.8).
func (s *stream) declare(name string, value []byte) bool {
	order := 0
	switch name {
	case "version":
		order = 1
	case "encoding":
		order = 2
	case "standalone":
		order = 3
	}
	ok := order > s.declared && (order == 1 || s.declared > 0)
	s.declared = order
	return ok && len(value) > 0 && bytes.IndexFunc(value, isForeign) < 0
}

// isForeign reports whether a character stands in no value of a declaration.
func isForeign(r rune) bool {
	return r > 0x7f || !isName(byte(r))
}

// isOwnNamespace reports whether the attribute binds the element's own prefix.
func (s *stream) isOwnNamespace(head, name []byte) bool {
	own := head[s.tag:max(s.tag, s.tag+s.prefix-1)]
	rest, ok := bytes.CutPrefix(name, []byte("xmlns:"))
	return ok && s.prefix > 0 && bytes.Equal(rest, own)
}

// setDefault reads the default namespace: that of the element itself if it has no
// prefix, else that of its content.
func (s *stream) setDefault(value []byte) bool {
	seen := &s.hasContent
	ok := is(value, client) || is(value, server) || is(value, component)
	if s.prefix == 0 {
		seen, ok = &s.hasStreams, is(value, streams)
	}
	ok = ok && !*seen
	*seen = true
	return ok
}

// setTo reads the domain. It returns false if the value is no XML.
func (s *stream) setTo(value []byte) bool {
	n, ok := expand(s.to[:], value)
	if !ok || n > len(s.to) {
		return ok
	}
	for i, b := range s.to[:n] {
		if b >= 'A' && b <= 'Z' {
			s.to[i] = b | 0x20
		}
	}
	if n > 0 && s.to[n-1] == '.' { // RFC 7622 section 3.2
		n--
	}
	s.toLen = n
	return true
}

// is reports whether a value means text.
func is(value []byte, text string) bool {
	var plain [len(streams) + 1]byte
	n, ok := expand(plain[:], value)
	return ok && n == len(text) && string(plain[:n]) == text
}

// expand writes to dst what an attribute's value means, as far as there is room, and
// returns how long that is: white space is a space, and references stand for characters
// (XML 1.0 section 3.3.3). ok is false if a reference is none that a stream may have:
// those to five entities, and to characters (RFC 6120 section 11.1).
func expand(dst, value []byte) (n int, ok bool) {
	for len(value) > 0 {
		b, r := value[0], rune(0)
		value = value[1:]
		if b == '&' {
			if r, value = reference(value); r == 0 {
				return 0, false
			}
			var encoded [utf8.UTFMax]byte
			size := utf8.EncodeRune(encoded[:], r)
			n += add(dst, n, encoded[:size])
			continue
		}
		if b == '\r' && bytes.HasPrefix(value, []byte{'\n'}) {
			continue // both end one line
		}
		if isSpace(b) {
			b = ' '
		}
		n += add(dst, n, []byte{b})
	}
	return n, true
}

// add copies b to dst from n on, if there is room for it, and returns its length.
func add(dst []byte, n int, b []byte) int {
	if n+len(b) <= len(dst) {
		copy(dst[n:], b)
	}
	return len(b)
}

// reference reads what stands behind "&", with its semicolon. r is 0 if it is nothing.
func reference(value []byte) (r rune, rest []byte) {
	name, rest, ok := bytes.Cut(value, []byte{';'})
	if !ok {
		return 0, nil
	}
	switch string(name) {
	case "amp":
		return '&', rest
	case "lt":
		return '<', rest
	case "gt":
		return '>', rest
	case "apos":
		return '\'', rest
	case "quot":
		return '"', rest
	}
	return character(name), rest
}

// character reads "#65" or "#x41" (XML 1.0 section 4.1). It returns 0 if that is no
// character.
func character(name []byte) (r rune) {
	digits, ok := bytes.CutPrefix(name, []byte{'#'})
	base := rune(10)
	if hex, is16 := bytes.CutPrefix(digits, []byte{'x'}); is16 {
		digits, base = hex, 16
	}
	if !ok || len(digits) == 0 {
		return 0
	}
	for _, b := range digits {
		d := rune(strings.IndexByte("0123456789abcdef", lower(b)))
		if d < 0 || d >= base || r > utf8.MaxRune {
			return 0
		}
		r = r*base + d
	}
	if !isCharacter(r) {
		return 0
	}
	return r
}

// isCharacter reports whether r may stand in XML (XML 1.0 section 2.2).
func isCharacter(r rune) bool {
	if r < ' ' {
		return r > 0 && isSpace(byte(r))
	}
	return utf8.ValidRune(r) && r != 0xfffe && r != 0xffff
}

// lower returns a hexadecimal digit in lower case.
func lower(b byte) byte {
	if b >= 'A' && b <= 'F' {
		return b | 0x20
	}
	return b
}
