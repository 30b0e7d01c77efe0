// Package wireguard matches WireGuard peers by the first datagram they send:
//
//	@wg  wireguard
//	@odd wireguard 4285988864   # 0xFF770000: a handshake begins with 01 00 77 FF
//
// A message begins with its type, one byte, and three bytes that are reserved and 0
// (wireguard.com/protocol, the white paper's §5.4). ZERO is another value for them,
// as obfuscating forks have it: a number of 32 bits, least significant byte first,
// whose lowest byte is the type's and therefore 0. What begins a session of a client:
//
//   - a handshake initiation, 148 bytes;
//   - a cookie reply, 64 bytes, to a handshake that the other side began;
//   - transport data, at least 32 bytes, after this program or its session was gone.
//     What is encrypted is padded to a multiple of 16 bytes, but not beyond the MTU:
//     with the usual MTU of 1420 the longest have 1452 bytes, so any length from 32
//     on passes. A receiver takes no counter from 2^64 - 2^13 - 1 on.
//
// Only the responder of a handshake sends the fourth kind, a handshake response. On
// streams there is no WireGuard. There are no facts: nothing else can be read
// without a key.
package wireguard

import (
	"encoding/binary"
	"math"
	"strconv"

	"dwaar.dev/dwaar/builtin/internal/datagram"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "wireguard",
		Doc:  "The first datagram of a WireGuard peer; ZERO is what its reserved bytes hold, as a number of 32 bits",
		Args: []sdk.Arg{sdk.Maybe("ZERO", sdk.Float)},
	}
}

// Matcher matches WireGuard peers. The zero value matches those with reserved bytes
// of 0.
type Matcher struct {
	zero uint32 // the reserved bytes, in their place behind the type
}

// New makes the matcher of a node that fits [Spec].
func New(n *sdk.Node) (sdk.Matcher, error) {
	if len(n.Args) == 0 {
		return &Matcher{}, nil
	}
	w := n.Args[0]
	zero, err := strconv.ParseUint(w.Text, 10, 32)
	if err != nil || zero&typeMask != 0 {
		return nil, sdk.Errorf(w.Pos, "wireguard %s: the reserved bytes are a number of 32 bits whose lowest byte is the type's: write a multiple of 256, like 4285988864 for 00 77 FF", w.Text)
	}
	return &Matcher{uint32(zero)}, nil
}

// The messages, by their types, and their sizes (white paper §5.4.2 to §5.4.7).
const (
	initiation  = 1
	cookieReply = 3
	transport   = 4

	typeMask   = 0xff
	typeSize   = 4
	counterAt  = 8 // behind the type and the receiver's index
	counterEnd = 16

	initiationSize  = 148
	cookieReplySize = 64
	minTransport    = 32 // a keepalive: nothing but the header and its tag

	rejectAfter = math.MaxUint64 - 1<<13 // REJECT_AFTER_MESSAGES (§6.1)
)

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	b, v := datagram.First(f)
	if v != sdk.Yes {
		return v, nil
	}
	if len(b) >= minTransport && m.takes(b) {
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// takes reports whether a peer takes the message, of which no part is missing.
func (m *Matcher) takes(b []byte) bool {
	switch binary.LittleEndian.Uint32(b[:typeSize]) ^ m.zero {
	case initiation:
		return len(b) == initiationSize
	case cookieReply:
		return len(b) == cookieReplySize
	case transport:
		return binary.LittleEndian.Uint64(b[counterAt:counterEnd]) < rejectAfter
	}
	return false
}

// First implements [sdk.Starter].
func (m *Matcher) First() *[4]uint64 {
	return &[4]uint64{1<<initiation | 1<<cookieReply | 1<<transport}
}
