package sdk

import "math"

// Cursor reads a head from its first byte on. A read that lacks bytes gives a zero
// value and is remembered: from then on every read gives zero values, and [Cursor.No],
// [Cursor.Yes] and [Cursor.Unknown] answer Need with the length at which the read
// will succeed. A matcher that reads through one cursor only, and returns only what
// these three give, cannot mistake "not yet" for "no", asks for as many bytes as
// decide, and never changes its mind:
//
//	c := f.Cursor()
//	if !c.Literal("HELLO ") {
//		return c.No(), nil // at the first wrong byte; Need while all are right
//	}
//	name, ok := c.Until('\n', 64)
//	if !ok {
//		return c.No(), nil
//	}
//	f.Set("name", name)
//	return c.Yes(), nil
//
// Values are checked one at a time, before the next is read: that is what says No at
// the first impossible byte. A loop that ends at a certain byte also ends when the
// cursor is [Cursor.Short]: there are only zeros from there on. The same words with
// the same meaning exist in the kits for C, Rust and AssemblyScript.
type Cursor struct {
	head []byte
	at   int
	need int // the length of the head at which the first short read succeeds; 0: none was short
}

// Cursor returns a cursor at the first byte of the head. It is valid as long as the
// head is.
func (f *Flow) Cursor() Cursor { return Cursor{head: f.Head} }

// No returns No, or Need if a read lacked bytes.
func (c *Cursor) No() Verdict { return c.unless(No) }

// Yes returns Yes, or Need if a read lacked bytes.
func (c *Cursor) Yes() Verdict { return c.unless(Yes) }

// Unknown returns Unknown, or Need if a read lacked bytes.
func (c *Cursor) Unknown() Verdict { return c.unless(Unknown) }

func (c *Cursor) unless(v Verdict) Verdict {
	if c.need > 0 {
		return Need(c.need)
	}
	return v
}

// Short reports whether a read lacked bytes.
func (c *Cursor) Short() bool { return c.need > 0 }

// Offset returns how many bytes have been read.
func (c *Cursor) Offset() int { return c.at }

// Bytes reads n bytes. It returns nil if there are fewer; a negative n is 0.
// The slice is a part of the head: read it, do not keep it.
func (c *Cursor) Bytes(n int) []byte {
	n = max(n, 0)
	if c.need > 0 {
		return nil
	}
	if n > len(c.head)-c.at {
		c.lack(n)
		return nil
	}
	c.at += n
	return c.head[c.at-n : c.at : c.at]
}

// lack remembers that n bytes were asked for and were not there.
func (c *Cursor) lack(n int) {
	c.need = math.MaxInt // more than any head: Need makes it Unknown
	if n < math.MaxInt-c.at {
		c.need = c.at + n
	}
}

// Skip reads n bytes and forgets them.
func (c *Cursor) Skip(n int) { c.Bytes(n) }

// Byte reads one byte.
func (c *Cursor) Byte() byte {
	if b := c.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 reads two bytes, the most significant first.
func (c *Cursor) Uint16() uint16 { return uint16(c.big(2)) }

// Uint24 reads three bytes, the most significant first.
func (c *Cursor) Uint24() uint32 { return c.big(3) }

// Uint32 reads four bytes, the most significant first.
func (c *Cursor) Uint32() uint32 { return c.big(4) }

func (c *Cursor) big(n int) uint32 {
	var v uint32
	for _, b := range c.Bytes(n) {
		v = v<<8 | uint32(b)
	}
	return v
}

// Little16 reads two bytes, the least significant first.
func (c *Cursor) Little16() uint16 { return uint16(c.little(2)) }

// Little32 reads four bytes, the least significant first.
func (c *Cursor) Little32() uint32 { return c.little(4) }

func (c *Cursor) little(n int) uint32 {
	var v uint32
	for i, b := range c.Bytes(n) {
		v |= uint32(b) << (8 * i)
	}
	return v
}

// Varint reads a number of one to five bytes, seven bits each, the least significant
// first, the top bit set in all but the last (LEB128, as in Minecraft, MQTT and
// Protocol Buffers). One that does not end or does not fit reads as
// math.MaxUint32, which no length allows.
func (c *Cursor) Varint() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := c.Byte()
		if c.need > 0 {
			return 0
		}
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	return math.MaxUint32
}

// Literal reads the bytes of s and reports whether they are what comes next. At the
// first wrong byte it says no; if all bytes there are right and there are fewer than
// it takes, it lacks the next one.
func (c *Cursor) Literal(s string) bool {
	if c.need > 0 {
		return false
	}
	rest := c.head[c.at:]
	if n := min(len(rest), len(s)); string(rest[:n]) != s[:n] {
		return false
	} else if n < len(s) {
		c.lack(n + 1)
		return false
	}
	c.at += len(s)
	return true
}

// Until reads up to the next byte that equals end, at most limit bytes before it, and
// returns them without it. ok is false if a longer stretch holds no such byte, or if
// bytes are lacking.
func (c *Cursor) Until(end byte, limit int) (before []byte, ok bool) {
	if c.need > 0 {
		return nil, false
	}
	rest := c.head[c.at:]
	for i, b := range rest {
		if b == end && i <= limit {
			c.at += i + 1
			return rest[:i:i], true
		}
		if i >= limit {
			return nil, false
		}
	}
	c.lack(len(rest) + 1)
	return nil, false
}
