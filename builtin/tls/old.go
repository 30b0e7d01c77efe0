package tls

import (
	"encoding/binary"

	"dwaar.dev/dwaar/sdk"
)

const (
	oldBit    = 0x80 // the first bit of a message in the format of SSL 2.0
	oldHello  = 1    // the type of its hello
	oldHeader = 11   // length, type, version, and the lengths of the three fields
)

// oldFormat judges a head that begins like a ClientHello in the format of SSL 2.0, in
// which old clients offer newer versions (RFC 5246, appendix E.2):
//
//	LENGTH|0x8000 1 VERSION CIPHERS SESSION CHALLENGE …
//
// OpenSSL and GnuTLS go on with it, crypto/tls does not. It holds no server name, and
// nothing else that is asked for: it is Unknown when its lengths are there and agree.
func oldFormat(head []byte) sdk.Verdict {
	if len(head) > 2 && head[2] != oldHello {
		return sdk.No
	}
	if len(head) < oldHeader {
		return sdk.Need(len(head) + 1)
	}
	ciphers, session, challenge := number(head[5:]), number(head[7:]), number(head[9:])
	rest := number(head)&^(oldBit<<8) - (oldHeader - 2)
	if ciphers%3 != 0 || ciphers+session+challenge != rest {
		return sdk.No
	}
	return sdk.Unknown
}

func number(b []byte) int { return int(binary.BigEndian.Uint16(b)) }
