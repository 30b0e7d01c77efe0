package rdp

import (
	"bytes"
	"net/netip"
	"strconv"

	"dwaar.dev/dwaar/sdk"
)

const (
	tpkt     = "\x03\x00"     // version 3, reserved (RFC 1006 section 6)
	crClass0 = "\xe0\x00\x00" // Connection Request, no credit; the destination's reference is 0 (X.224 section 13.3)

	minRequest = 4 + 7   // both headers
	maxRequest = 4 + 255 // the length indicator of X.224 is at most 254 and does not count itself

	negotiation      = 8  // RDP_NEG_REQ, MS-RDPBCGR section 2.2.1.1.1
	correlation      = 36 // RDP_NEG_CORRELATION_INFO, MS-RDPBCGR section 2.2.1.1.2
	typeRequest      = 1
	correlated       = 8                  // the flag CORRELATION_INFO_PRESENT
	correlationStart = "\x06\x00\x24\x00" // its type, no flags, its length

	hashPrefix  = "Cookie: mstshash="
	tokenPrefix = "Cookie: msts="
)

// kind is what the line of a request says.
type kind uint8

const (
	none   kind = iota // there is no line, or an empty one
	hash               // "Cookie: mstshash=USER"
	token              // "Cookie: msts=IP.PORT.0000"
	custom             // anything else
)

// request is a connection request as far as its bytes are there.
type request struct {
	verdict sdk.Verdict
	kind    kind
	lo, hi  int            // the user or the custom text, in the head
	server  netip.AddrPort // token
	garbled bool           // the line begins like a token and is none that can be read

	text [maxRequest]byte // the user in lower case, the address or the port
}

func first() *[4]uint64 { return &[4]uint64{1 << tpkt[0]} }

// value returns the user or the custom text.
func (r *request) value(head []byte) []byte { return head[r.lo:r.hi] }

// user returns the user in lower case.
func (r *request) user() []byte { return r.text[:r.hi-r.lo] }

// lower copies ASCII letters of src in lower case, and all other bytes, to dst.
func lower(dst, src []byte) {
	for i, b := range src {
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		dst[i] = b
	}
}

// fill reads the request anew: it has at most 259 bytes.
func fill(f *sdk.Flow, r *request) {
	c := f.Cursor()
	*r = request{}
	lo, hi, v := read(&c)
	r.verdict = v
	if v == sdk.Yes {
		r.classify(f.Head, lo, hi)
	}
}

// read returns where the line stands, without its end.
func read(c *sdk.Cursor) (lo, hi int, v sdk.Verdict) {
	size, ok := readHeaders(c)
	if !ok || c.Short() {
		return 0, 0, c.No()
	}
	if size == minRequest {
		return 0, 0, sdk.Yes
	}
	lo = c.Offset()
	b := c.Byte()
	if b != typeRequest {
		if hi, ok = readLine(c, b, size); !ok || c.Short() {
			return 0, 0, c.No()
		}
		if c.Offset() == size {
			return lo, hi, sdk.Yes
		}
		b = c.Byte()
	}
	if b != typeRequest || !readNegotiation(c, size) {
		return 0, 0, c.No()
	}
	return lo, max(lo, hi), c.Yes()
}

// readHeaders reads both headers and returns the length of the request, the TPKT
// header included.
func readHeaders(c *sdk.Cursor) (size int, ok bool) {
	if !c.Literal(tpkt) {
		return 0, false
	}
	high := c.Byte()
	if high > maxRequest>>8 {
		return 0, false
	}
	size = int(high)<<8 | int(c.Byte())
	if c.Short() || size < minRequest || size > maxRequest {
		return 0, false
	}
	if int(c.Byte()) != size-5 || !c.Literal(crClass0) { // neither TPKT nor the indicator itself
		return 0, false
	}
	c.Skip(2)                  // the source's reference, the client's choice
	return size, c.Byte() == 0 // class 0, no options
}

// readLine reads a line whose first byte is b and returns where its CR LF stands.
func readLine(c *sdk.Cursor, b byte, size int) (end int, ok bool) {
	for !c.Short() && c.Offset() < size {
		if b == '\r' {
			return c.Offset() - 1, c.Byte() == '\n'
		}
		if b < ' ' && b != '\t' {
			return 0, false
		}
		b = c.Byte()
	}
	return 0, false
}

// readNegotiation reads what stands behind the type of a negotiation request.
func readNegotiation(c *sdk.Cursor, size int) bool {
	rest := size - c.Offset() + 1
	if rest != negotiation && rest != negotiation+correlation {
		return false
	}
	flags := c.Byte()
	if announced := flags&correlated != 0; c.Short() || announced != (rest > negotiation) {
		return false
	}
	if !c.Literal("\x08\x00") { // its length
		return false
	}
	c.Skip(4) // the protocols: servers ignore those they do not know
	if rest == negotiation {
		return true
	}
	if !c.Literal(correlationStart) {
		return false
	}
	c.Skip(correlation - len(correlationStart)) // an identity, and what is reserved
	return true
}

// classify reads the line.
func (r *request) classify(head []byte, lo, hi int) {
	line := head[lo:hi]
	r.lo, r.hi = lo, hi
	switch {
	case len(line) == 0:
		r.kind = none
	case bytes.HasPrefix(line, []byte(hashPrefix)):
		r.kind, r.lo = hash, lo+len(hashPrefix)
		lower(r.text[:], r.value(head))
	case bytes.HasPrefix(line, []byte(tokenPrefix)):
		if r.readToken(line[len(tokenPrefix):]) {
			r.kind = token
			return
		}
		r.garbled = true
		fallthrough
	default:
		r.kind = custom
	}
}

// readToken reads IP.PORT.0000.
func (r *request) readToken(text []byte) bool {
	ip, rest, ok1 := number(text, 1<<32-1)
	port, rest, ok2 := number(rest, maxPort)
	if !ok1 || !ok2 || string(rest) != "0000" {
		return false
	}
	r.server = netip.AddrPortFrom(
		netip.AddrFrom4([4]byte{byte(ip), byte(ip >> 8), byte(ip >> 16), byte(ip >> 24)}),
		uint16(port&0xff<<8|port>>8))
	return true
}

// number reads a decimal number of at most most and the dot behind it.
func number(text []byte, most uint64) (n uint64, rest []byte, ok bool) {
	digits, rest, ok := bytes.Cut(text, []byte{'.'})
	if !ok || len(digits) == 0 || len(digits) > 10 {
		return 0, nil, false
	}
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, nil, false
		}
		n = 10*n + uint64(b-'0')
	}
	return n, rest, n <= most
}

// tell sets the facts of a request.
func (r *request) tell(f *sdk.Flow) {
	switch r.kind {
	case hash:
		f.Set("cookie_hash", r.value(f.Head))
	case custom:
		f.Set("custom_info", r.value(f.Head))
	case token:
		f.Set("cookie_ip", r.server.Addr().AppendTo(r.text[:0]))
		f.Set("cookie_port", strconv.AppendUint(r.text[:0], uint64(r.server.Port()), 10))
	}
}
