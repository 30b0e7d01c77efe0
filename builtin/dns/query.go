package dns

import "dwaar.dev/dwaar/sdk"

// The parts of a message (RFC 1035 §4.1).
const (
	headerSize   = 12
	leastSize    = headerSize + 1 + 4 // the root, a type and a class
	leastRecord  = 1 + 10             // the root, type, class, time to live and length
	maxName      = 255                // on the wire, with the root (§3.1)
	maxLabel     = 63
	behindLabel  = 1 + 4 // what a label is followed by at least: the root, a type and a class
	pointer      = 0xc0  // the bits of a label's length that make it a pointer (§4.1.4)
	flagResponse = 0x80
)

// The operations that a server takes from a client: QUERY, NOTIFY (RFC 1996) and UPDATE
// (RFC 2136). To all others servers answer NOTIMP.
const operations = 1<<0 | 1<<4 | 1<<5

// rootOPT begins the record that a query without a question has: the root and the type
// OPT (RFC 6891 §6.1.2).
const rootOPT = "\x00\x00\x29"

// query is what the first bytes of a connection ask.
type query struct {
	verdict sdk.Verdict // Yes: a query; otherwise what every matcher says
	asked   bool        // it has a question

	name        [maxText]byte // as text, with the final dot
	length      int           // of name
	kind, class word
}

// Reset implements [sdk.Resetter]. The texts are written over.
func (q *query) Reset() { q.verdict, q.asked, q.length = 0, false, 0 }

// key returns the name without the final dot; the root is the dot.
func (q *query) key() []byte {
	if q.length > 1 {
		return q.name[:q.length-1]
	}
	return q.name[:q.length]
}

// fill reads the first message.
func fill(f *sdk.Flow, q *query) {
	q.Reset()
	if f.Network == "udp" || f.Network == "unixgram" {
		q.verdict = q.datagram(f)
		return
	}
	c := f.Cursor()
	if size := int(c.Uint16()); c.Short() || size < leastSize {
		q.verdict = c.No()
	} else {
		q.verdict = q.message(&c, size)
	}
}

// datagram reads the first datagram, which is a whole message or none.
func (q *query) datagram(f *sdk.Flow) sdk.Verdict {
	if len(f.Bounds) == 0 {
		return sdk.Need(1)
	}
	first := sdk.Flow{Head: f.Head[:f.Bounds[0]]}
	c := first.Cursor()
	v := q.message(&c, len(first.Head))
	if !v.Decided() {
		return sdk.No
	}
	return v
}

// message reads a message of size bytes up to the end of its question.
func (q *query) message(c *sdk.Cursor, size int) sdk.Verdict {
	end := c.Offset() + size
	c.Skip(2) // the number of the query
	flags := c.Byte()
	operation := flags >> 3 & 0x0f
	if flags&flagResponse != 0 || operations>>operation&1 == 0 {
		return c.No()
	}
	c.Skip(1)
	if c.Byte() != 0 {
		return c.No() // 256 questions or more
	}
	questions := c.Byte()
	if questions > 1 || questions == 0 && operation != 0 {
		return c.No()
	}
	records := int(c.Uint16()) + int(c.Uint16()) + int(c.Uint16())
	if questions == 0 && !c.Short() {
		return cookie(c, end, records)
	}
	return q.question(c, end, records)
}

// cookie judges a query without a question: all it may hold is a record OPT with a cookie
// (RFC 7873 §5.4).
func cookie(c *sdk.Cursor, end, records int) sdk.Verdict {
	if records == 0 || end-c.Offset() < records*leastRecord || !c.Literal(rootOPT) {
		return c.No()
	}
	return c.Yes()
}

// question reads a question, behind which there are so many records.
func (q *query) question(c *sdk.Cursor, end, records int) sdk.Verdict {
	if v := q.readName(c, end); v != sdk.Yes {
		return v
	}
	kind := c.Uint16()
	class := c.Uint16()
	if c.Short() {
		return c.No()
	}
	q.asked = true
	q.kind.set(typeName(kind), "TYPE", kind)
	q.class.set(className(class), "CLASS", class)
	if records*leastRecord > end-c.Offset() {
		return sdk.Unknown
	}
	return c.Yes()
}

// readName reads the labels of a name (RFC 1035 §3.1).
func (q *query) readName(c *sdk.Cursor, end int) sdk.Verdict {
	text, wire := q.name[:0], 1
	for {
		n := int(c.Byte())
		switch {
		case c.Short():
			return c.No()
		case n == 0:
			q.length = len(endName(text))
			return sdk.Yes
		case n >= pointer:
			return sdk.Unknown
		}
		wire += 1 + n
		if n > maxLabel || wire > maxName || c.Offset()+n+behindLabel > end {
			return sdk.No
		}
		label := c.Bytes(n)
		if c.Short() {
			return c.No()
		}
		text = appendLabel(text, label)
	}
}
