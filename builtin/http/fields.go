package http

import "bytes"

// readFields reads header lines to the empty one that ends them (RFC 9112
// section 5). What servers must refuse (a line that continues another, a space
// before the colon, a bare CR, NUL) makes all of them unreadable: a guess at what
// the server will read would be a hole.
func (r *request) readFields(head []byte) {
	for {
		n := bytes.IndexByte(head[r.at:], '\n')
		if n < 0 {
			r.at = len(head)
			return
		}
		line := span{lo: r.mark, hi: r.at + n}
		r.at += n + 1
		if line.hi > line.lo && head[line.hi-1] == '\r' {
			line.hi--
		}
		if line.empty() {
			r.fields.hi = r.mark
			r.decideHost(head)
			r.stage = whole
			return
		}
		if !r.readField(head, line) {
			r.stage = bad
			return
		}
		r.mark = r.at
	}
}

// readField checks one header line and notes Host.
func (r *request) readField(head []byte, line span) bool {
	text := r.text(head, line)
	name, value, found := bytes.Cut(text, []byte(":"))
	if !found || !isName(name) || !isValue(value) {
		return false
	}
	if equalFold(name, "host") {
		if r.hosts == 0 {
			line.lo += len(name) + 1
			r.hostLine = trim(text[len(name)+1:], line)
		}
		r.hosts++
	}
	return true
}

// trim returns s, whose text is given, without the spaces around it.
func trim(text []byte, s span) span {
	s.lo += len(text) - len(bytes.TrimLeft(text, " \t"))
	s.hi = s.lo + len(bytes.Trim(text, " \t"))
	return s
}

// cutField takes the first line off header lines that were read before.
func cutField(lines []byte) (name, value, rest []byte) {
	line, rest, _ := bytes.Cut(lines, []byte("\n"))
	name, value, _ = bytes.Cut(line, []byte(":"))
	return name, bytes.Trim(value, " \t\r"), rest
}

func isName(b []byte) bool {
	for _, c := range b {
		if !isToken(c) {
			return false
		}
	}
	return len(b) > 0
}

func isValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// equalFold compares without regard to the case of ASCII letters. s is lower case.
func equalFold(b []byte, s string) bool {
	return len(b) == len(s) && hasPrefixFold(b, s)
}

func hasPrefixFold(b []byte, s string) bool {
	if len(b) < len(s) {
		return false
	}
	for i := range len(s) {
		if lower(b[i]) != s[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
