package proxyheader

import (
	"dwaar.dev/dwaar/builtin/internal/proxyproto"
	"dwaar.dev/dwaar/sdk"
)

// line judges a header of version 1 (§2.1):
//
//	PROXY TCP4 192.0.2.1 198.51.100.1 51820 443␍␊
//	PROXY UNKNOWN␍␊
//
// Fields are judged by the characters that may stand in them, as nginx does: whether an
// address is one is for whoever uses it. A zone behind an IPv6 address, and text behind
// the last port, which servers in Go accept, are Unknown.
func line(c *sdk.Cursor) sdk.Verdict {
	if !c.Literal(proxyproto.Word) {
		return c.No()
	}
	kind := *c
	if kind.Byte() == 'U' {
		return unknownLine(c)
	}
	if !c.Literal("TCP") {
		return c.No()
	}
	if b := c.Byte(); b != '4' && b != '6' {
		return c.No()
	}
	if !c.Literal(" ") {
		return c.No()
	}
	for _, f := range fields {
		if v := f.read(c); v != sdk.Yes {
			return v
		}
	}
	if !c.Literal("\n") {
		return c.No()
	}
	return c.Yes()
}

// field is one field of a line behind the kind, and the byte that ends it.
type field struct {
	of  func(b byte) bool
	end byte
}

// fields are the addresses and ports of source and destination.
var fields = [...]field{{inAddress, ' '}, {inAddress, ' '}, {isDigit, ' '}, {isDigit, '\r'}}

// read reads a field with its end.
func (f field) read(c *sdk.Cursor) sdk.Verdict {
	for n := 0; c.Offset() < proxyproto.MaxLine; n++ {
		b := c.Byte()
		switch {
		case c.Short() || n == 0 && !f.of(b):
			return c.No()
		case b == f.end:
			return sdk.Yes
		case f.of(b):
		case b == '%' && f.of('.') || b == ' ':
			return sdk.Unknown
		default:
			return sdk.No
		}
	}
	return sdk.No
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func inAddress(b byte) bool {
	return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' || b == ':' || b == '.'
}

// unknownLine judges a line whose sender does not tell the addresses. Anything may stand
// before its end, and receivers ignore it (§2.1).
func unknownLine(c *sdk.Cursor) sdk.Verdict {
	if !c.Literal("UNKNOWN") {
		return c.No()
	}
	last := byte(0)
	for c.Offset() < proxyproto.MaxLine {
		b := c.Byte()
		if c.Short() || b == '\n' && last == '\r' {
			return c.Yes()
		}
		last = b
	}
	return sdk.No
}
