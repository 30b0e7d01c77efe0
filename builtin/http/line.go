package http

import "bytes"

// maxMethod is the longest method: every registered one is shorter than 20 bytes,
// and what goes on for longer is another protocol.
const maxMethod = 32

// readMethod reads a token and the space behind it (RFC 9112 section 3.1).
func (r *request) readMethod(head []byte) {
	for ; r.at < len(head); r.at++ {
		c := head[r.at]
		if c == ' ' && r.at > 0 {
			r.method = span{hi: r.at}
			r.connect = string(head[:r.at]) == "CONNECT"
			r.at++
			r.enter(atTarget)
			return
		}
		if !isToken(c) || r.at == maxMethod {
			r.stage = foreign
			return
		}
	}
}

// readTarget reads the target and the space behind it (RFC 9112 section 3.2).
func (r *request) readTarget(head []byte) {
	for ; r.at < len(head); r.at++ {
		c := head[r.at]
		if c == ' ' && r.endsHere(head) {
			r.cutTarget(head, span{lo: r.mark, hi: r.at})
			r.at++
			r.enter(atVersion)
			return
		}
		if c <= ' ' || c == 0x7f || !r.possible(head[r.mark], c) {
			r.stage = foreign
			return
		}
	}
}

// endsHere says whether the target is complete.
func (r *request) endsHere(head []byte) bool {
	if r.at == r.mark {
		return false
	}
	return r.connect || head[r.mark] == '/' || head[r.mark] == '*' || r.scheme == schemeDone
}

// possible says whether c can stand at r.at in a target that begins with first.
func (r *request) possible(first, c byte) bool {
	switch {
	case r.connect:
		return c != '/'
	case first == '/':
		return true
	case first == '*':
		return r.at == r.mark
	}
	return r.scheme.take(c, r.at == r.mark)
}

// schemeState is how much of "scheme://" was read.
type schemeState uint8

const (
	inScheme schemeState = iota
	wantSlash
	wantSecondSlash
	schemeDone
)

func (s *schemeState) take(c byte, first bool) bool {
	switch *s {
	case inScheme:
		if c == ':' && !first {
			*s = wantSlash
			return true
		}
		return isLetter(c) || !first && (isDigit(c) || c == '+' || c == '-' || c == '.')
	case wantSlash, wantSecondSlash:
		*s++
		return c == '/'
	}
	return true
}

// cutTarget finds the parts of a complete target of any form.
func (r *request) cutTarget(head []byte, target span) {
	text := r.text(head, target)
	switch {
	case r.connect:
		r.authority, r.absolute = target, true
		return
	case text[0] != '/' && text[0] != '*':
		authority := target
		authority.lo += bytes.Index(text, []byte("://")) + 3
		rest := r.text(head, authority)
		if n := bytes.IndexAny(rest, "/?#"); n >= 0 {
			authority.hi = authority.lo + n
		}
		r.authority, r.absolute = authority, true
		target.lo = authority.hi
	}
	r.cutPath(head, target)
}

// cutPath splits PATH[?QUERY]. A "#" belongs in no target, and some servers end
// the path there.
func (r *request) cutPath(head []byte, target span) {
	text := r.text(head, target)
	path := target
	if bytes.IndexByte(text, '#') >= 0 {
		r.badPath, r.badQuery = true, true
		return
	}
	if n := bytes.IndexByte(text, '?'); n >= 0 {
		path.hi = target.lo + n
		r.query = target
		r.query.lo = path.hi + 1
	}
	r.cleanPath(head, path)
}

// readVersion reads "HTTP/1.", a digit and the line's end. A single line feed is
// taken for one (RFC 9112 section 2.2), as servers do. What cannot be HTTP/1 may
// be the preface of HTTP/2, which was made to look like it.
func (r *request) readVersion(head []byte) {
	for ; r.at < len(head); r.at++ {
		c, n := head[r.at], r.at-r.mark
		possible := n == len(version)+1 && c == '\r'
		switch {
		case n < len(version):
			possible = c == version[n]
		case n == len(version):
			possible = isDigit(c)
			r.minor = c - '0'
		case c == '\n':
			r.at++
			r.start, r.line = true, true
			r.fields = span{lo: r.at}
			r.enter(atFields)
			return
		}
		if !possible {
			r.stage = foreign
			if n := r.at + 1; n < len(preface) && string(head[:n]) == preface[:n] {
				r.http2 = true
				r.stage = atPreface
			}
			return
		}
	}
}

// version is how the version of HTTP/1 begins; one digit follows.
const version = "HTTP/1."

// isToken says whether c can stand in a token (RFC 9110 section 5.6.2).
func isToken(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return isLetter(c) || isDigit(c)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
