package rewrite

import (
	"fmt"
	"unicode/utf8"
)

// reader reads the binary format. The first thing that goes wrong is kept in err;
// from then on everything reads as zero, so that only loops must look at it.
type reader struct {
	src      []byte // the whole file: positions are offsets in it
	pos, end int    // what is left of the part being read
	section  string // for errors
	function int    // for errors, or -1
	err      *Error
}

func newReader(src []byte) *reader { return &reader{src: src, end: len(src), function: -1} }

// fail keeps the first error, at the current position.
func (r *reader) fail(format string, a ...any) { r.failAt(r.pos, format, a...) }

func (r *reader) failAt(pos int, format string, a ...any) {
	if r.err == nil {
		r.err = &Error{Section: r.section, Function: r.function, Offset: pos, Text: fmt.Sprintf(format, a...)}
	}
	r.pos = r.end
}

// more reports whether there is something left to read.
func (r *reader) more() bool { return r.pos < r.end && r.err == nil }

func (r *reader) byte() byte {
	if r.pos >= r.end {
		r.fail("ends in the middle of something")
		return 0
	}
	r.pos++
	return r.src[r.pos-1]
}

// bytes returns the next n bytes, of the file itself.
func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(r.end-r.pos) {
		r.fail("%d bytes are announced and %d are left", n, r.end-r.pos)
		return nil
	}
	r.pos += int(n)
	return r.src[r.pos-int(n) : r.pos : r.pos]
}

// u32 reads an unsigned LEB128 of at most 5 bytes, which need not be the shortest
// form: linkers leave room.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if v > 1<<32-1 {
				r.fail("a number does not fit into 32 bits")
				return 0
			}
			return uint32(v)
		}
	}
	r.fail("a number is longer than 5 bytes")
	return 0
}

// signed reads a signed LEB128 of the given width, at most 64.
func (r *reader) signed(width int) int64 {
	var v int64
	for shift := 0; shift < width; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if used := width - shift; used < 7 { // the rest of the last byte repeats the sign
			if rest := int8(b<<1) >> used; rest != 0 && rest != -1 {
				r.fail("a number does not fit into %d bits", width)
				return 0
			}
		}
		if shift+7 < 64 && b&0x40 != 0 {
			v |= -1 << (shift + 7)
		}
		return v
	}
	r.fail("a number is longer than %d bytes", (width+6)/7)
	return 0
}

func (r *reader) name() string {
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.fail("a name is not valid UTF-8")
		return ""
	}
	return string(b)
}

// index reads an index below count.
func (r *reader) index(count uint32, what string) uint32 {
	pos := r.pos
	v := r.u32()
	if r.err == nil && v >= count {
		r.failAt(pos, "uses %s %d, and there are %d", what, v, count)
		return 0
	}
	return v
}

// vec reads a count and calls item that often.
func (r *reader) vec(item func()) uint32 {
	n := r.u32()
	r.each(n, item)
	return n
}

// each calls item n times. Every item takes a byte or more, so n is bounded by the
// file before anything is made for it.
func (r *reader) each(n uint32, item func()) {
	if uint64(n) > uint64(r.end-r.pos) {
		r.fail("%d items are announced and %d bytes are left", n, r.end-r.pos)
	}
	for i := uint32(0); i < n && r.err == nil; i++ {
		item()
	}
}

// within reads the next n bytes with f, which must read them all.
func (r *reader) within(n uint32, f func()) {
	if uint64(n) > uint64(r.end-r.pos) {
		r.fail("%d bytes are announced and %d are left", n, r.end-r.pos)
		return
	}
	outer := r.end
	r.end = r.pos + int(n)
	f()
	if r.err == nil && r.pos != r.end {
		r.fail("%d bytes are left over", r.end-r.pos)
	}
	r.end = outer
	if r.err != nil {
		r.pos = r.end
	}
}

func (r *reader) valueType() ValueType {
	pos := r.pos
	v := ValueType(r.byte())
	if r.err == nil && !v.isValue() {
		r.failAt(pos, "%#x is no value type that this host knows", byte(v))
	}
	return v
}

func (r *reader) referenceType() ValueType {
	pos := r.pos
	v := ValueType(r.byte())
	if r.err == nil && !v.isReference() {
		r.failAt(pos, "%#x is no reference type that this host knows", byte(v))
	}
	return v
}
