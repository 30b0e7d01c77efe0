package quic

import (
	"bytes"
	"slices"
)

// stream puts the bytes of CRYPTO frames in order. The zero value is empty.
type stream struct {
	bytes []byte // up to the last byte that is there, with gaps
	there []bool // of each byte behind the first gap; may be shorter
	until int    // where the first gap begins
}

// reset makes s empty and keeps its memory.
func (s *stream) reset() { s.bytes, s.there, s.until = s.bytes[:0], s.there[:0], 0 }

// whole returns the bytes in front of the first gap.
func (s *stream) whole() []byte { return s.bytes[:s.until] }

// add adds bytes. It returns false if one of them was there and was another.
func (s *stream) add(at int, b []byte) bool {
	if at < s.until {
		n := min(s.until-at, len(b))
		if !bytes.Equal(s.bytes[at:at+n], b[:n]) {
			return false
		}
		at, b = at+n, b[n:]
	}
	if len(b) == 0 {
		return true
	}
	if at == s.until && at == len(s.bytes) { // nothing is missing
		s.bytes = append(s.bytes, b...)
		s.until = len(s.bytes)
		return true
	}
	return s.fill(at, b)
}

// fill adds bytes where there is a gap before or behind them.
func (s *stream) fill(at int, b []byte) bool {
	s.extend(max(len(s.bytes), at+len(b)))
	for i, c := range b {
		if s.there[at+i] && s.bytes[at+i] != c {
			return false
		}
		s.bytes[at+i], s.there[at+i] = c, true
	}
	for s.until < len(s.bytes) && s.there[s.until] {
		s.until++
	}
	return true
}

// extend makes room for n bytes.
func (s *stream) extend(n int) {
	s.bytes = slices.Grow(s.bytes, n-len(s.bytes))[:n]
	had := len(s.there)
	s.there = slices.Grow(s.there, n-had)[:n]
	clear(s.there[had:])
}
