package http

import "bytes"

// maxMethod is the longest method that is read: every registered one is shorter than 20
// bytes. Servers take longer ones.
const maxMethod = 32

// readMethod reads a token and the space behind it (RFC 9112 section 3.1). Empty lines
// before it are passed over (section 2.2).
func (r *request) readMethod(head []byte) {
	for ; r.at < len(head); r.at++ {
		c := head[r.at]
		switch {
		case r.at == r.mark && isEnd(c):
			r.mark++
		case r.at > r.mark && c == ' ':
			r.method = span{lo: r.mark, hi: r.at}
			r.connect = string(head[r.mark:r.at]) == "CONNECT"
			r.at++
			r.enter(atTarget)
			return
		case !isToken(c) || r.at-r.mark == maxMethod:
			r.stage = foreign
			if oddMethod(c, r.at-r.mark) {
				r.stage = odd
			}
			return
		}
	}
}

// oddMethod reports whether some server takes c at position n of a method that cannot be
// read on: as one more letter, or as the space behind it.
func oddMethod(c byte, n int) bool { return isToken(c) || c == '\t' && n > 0 }

// readTarget reads the target and the space behind it (RFC 9112 section 3.2). HAProxy
// takes any text for one; what it means cannot be known then.
func (r *request) readTarget(head []byte) {
	for ; r.at < len(head); r.at++ {
		switch c := head[r.at]; {
		case c <= ' ' || c == 0x7f:
			r.endTarget(head, c)
			return
		case !r.formless && !r.possible(head[r.mark], c):
			r.formless = true
		}
	}
}

func isEnd(c byte) bool { return c == '\r' || c == '\n' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// endTarget takes the target that ends before c, the current byte.
func (r *request) endTarget(head []byte, c byte) {
	empty := r.at == r.mark
	switch {
	case c == ' ' && !empty:
		r.takeTarget(head)
		r.at++
		r.enter(atVersion)
	case isBlank(c), isEnd(c) && !empty && r.endsHere(head):
		r.stage = odd // more space than one, or HTTP/0.9, which has no version
	default:
		r.stage = foreign
	}
}

// takeTarget looks into the target, if it has a form.
func (r *request) takeTarget(head []byte) {
	if !r.endsHere(head) {
		r.badPath, r.badQuery, r.badHost = true, true, true
		return
	}
	r.cutTarget(head, span{lo: r.mark, hi: r.at})
}

// endsHere reports whether a target that ends here has one of the four forms.
func (r *request) endsHere(head []byte) bool {
	return !r.formless && r.formed(head)
}

func (r *request) formed(head []byte) bool {
	return r.connect || head[r.mark] == '/' || head[r.mark] == '*' || r.scheme == schemeDone
}

// possible reports whether c can stand at r.at in a target that begins with first.
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
		switch {
		case n < len(version) && c == version[n]:
		case n == len(version) && isDigit(c):
			r.minor = c - '0'
		case n == len(version)+1 && c == '\r':
		case n > len(version) && c == '\n':
			r.at++
			r.start, r.line = true, true
			r.fields = span{lo: r.at}
			r.enter(atFields)
			return
		default:
			r.stage = r.otherVersion(head, c, n)
			return
		}
	}
}

// version is how the version of HTTP/1 begins; one digit follows.
const version = "HTTP/1."

// otherVersion returns the stage behind a byte c at position n that HTTP/1 does not have
// there.
func (r *request) otherVersion(head []byte, c byte, n int) stage {
	switch {
	case r.at < len(preface) && string(head[:r.at+1]) == preface[:r.at+1]:
		r.http2 = true
		return atPreface
	case n == 0 && isEnd(c) && !r.formless: // HTTP/0.9 with a space behind it
		return odd
	case oddVersion(c, n):
		return odd
	}
	return foreign
}

// oddVersion reports whether some server takes c at position n of a version: nginx takes
// several digits, HAProxy any major one, and both some space around them.
func oddVersion(c byte, n int) bool {
	const name = len("HTTP/")
	if n > len(version) {
		return isBlank(c) || isDigit(c)
	}
	return n == 0 && isBlank(c) || n == name && isDigit(c)
}

// isToken reports whether c can stand in a token (RFC 9110 section 5.6.2).
func isToken(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return isLetter(c) || isDigit(c)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
