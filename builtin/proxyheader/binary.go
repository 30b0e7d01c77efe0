package proxyheader

import (
	"dwaar.dev/dwaar/builtin/internal/proxyproto"
	"dwaar.dev/dwaar/sdk"
)

// The commands of version 2 (§2.2): the low half of the byte whose high half is the
// version.
const (
	version2 = 2
	local    = 0 // the proxy speaks for itself; what follows is skipped
	proxied  = 1 // for a client; addresses follow
)

// The bytes that say of which family and protocol the addresses are (§2.2).
const (
	unspecified = 0x00
	tcp4        = 0x11
	udp4        = 0x12
	tcp6        = 0x21
	udp6        = 0x22
	unixStream  = 0x31
	unixDgram   = 0x32
)

// binary judges a header of version 2 (§2.2): the signature, version and command, family
// and protocol, and the length of what follows.
func binary(c *sdk.Cursor) (v sdk.Verdict, size int) {
	if !c.Literal(proxyproto.Signature) {
		return c.No(), 0
	}
	b := c.Byte()
	if b>>4 != version2 {
		return c.No(), 0
	}
	family, rest := c.Byte(), int(c.Uint16())
	if c.Short() {
		return c.No(), 0
	}
	return command(b&0x0f, family, rest), c.Offset() + rest
}

func command(command, family byte, rest int) sdk.Verdict {
	switch command {
	case local:
		return sdk.Yes
	case proxied:
		return addresses(family, rest)
	}
	return sdk.Unknown
}

// addresses judges whether the length has room for the addresses of the family. Without
// it no receiver takes those of TCP; others skip what they have no use for.
func addresses(family byte, rest int) sdk.Verdict {
	need, short := 0, sdk.Unknown
	switch family {
	case unspecified:
	case tcp4:
		need, short = 12, sdk.No
	case tcp6:
		need, short = 36, sdk.No
	case udp4:
		need = 12
	case udp6:
		need = 36
	case unixStream, unixDgram:
		need = 216
	default:
		return sdk.Unknown
	}
	if rest < need {
		return short
	}
	return sdk.Yes
}
