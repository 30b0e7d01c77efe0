package http

import "bytes"

// cleanPath sets the path: percent-encodings decoded, "." and ".." resolved,
// slashes in a row made one. A server does the same before it looks up a file, so
// a pattern that is a guard must see what the server will see.
func (r *request) cleanPath(head []byte, raw span) {
	p := r.text(head, raw)
	if isClean(p) {
		r.path = raw
		return
	}
	at := len(r.own)
	own, ok := unescape(r.own, p)
	if !ok {
		r.badPath = true
		return
	}
	r.own = own[:at+len(resolve(own[at:]))]
	if len(r.own) == at {
		r.own = append(r.own, '/') // http://host is http://host/
	}
	r.path = span{at, len(r.own), true}
}

// isClean reports whether a path is what cleanPath makes of it.
func isClean(p []byte) bool {
	if len(p) == 0 {
		return false
	}
	for i, c := range p {
		switch {
		case c == '%':
			return false
		case (c == '/' || c == '.') && i > 0 && p[i-1] == '/':
			return false
		}
	}
	return true
}

// unescape appends p to dst with its percent-encodings decoded. It fails on a
// broken one and on control characters, which no two servers read alike.
func unescape(dst, p []byte) ([]byte, bool) {
	for i := 0; i < len(p); {
		c, n := decode(p[i:], false)
		if n == 0 || c < ' ' || c == 0x7f {
			return dst, false
		}
		dst = append(dst, c)
		i += n
	}
	return dst, true
}

// decode returns the first byte that p stands for and how many bytes of p it
// takes, or 0 if it is encoded badly. In a query "+" is a space.
func decode(p []byte, query bool) (c byte, n int) {
	switch {
	case p[0] == '+' && query:
		return ' ', 1
	case p[0] != '%':
		return p[0], 1
	case len(p) < 3:
		return 0, 0
	}
	hi, lo := unhex(p[1]), unhex(p[2])
	if hi > 15 || lo > 15 {
		return 0, 0
	}
	return hi<<4 | lo, 3
}

func unhex(c byte) byte {
	switch c = lower(c); {
	case isDigit(c):
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// resolve removes empty, "." and ".." segments from p, which begins with a slash,
// in place (RFC 3986 section 5.2.4). A path that ended in one ends in a slash.
func resolve(p []byte) []byte {
	if len(p) == 0 {
		return p
	}
	out := p[:1]
	for rest, more := p[1:], true; more; {
		var segment []byte
		segment, rest, more = bytes.Cut(rest, []byte("/"))
		switch string(segment) {
		case "", ".":
		case "..":
			out = out[:bytes.LastIndexByte(out[:max(1, len(out)-1)], '/')+1]
		default:
			out = append(out, segment...)
			if more {
				out = append(out, '/')
			}
		}
	}
	return out
}
