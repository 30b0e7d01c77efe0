package openvpn

import (
	"encoding/binary"
	"time"

	"dwaar.dev/dwaar/builtin/internal/datagram"
	"dwaar.dev/dwaar/sdk"
)

// The wire format, as openvpn's doc_protocol_overview.h and ssl_pkt.h describe it.
// A packet begins with an opcode (5 bits), a key id (3 bits) and the sender's session
// id. What follows depends on how the control channel is protected:
//
//	plain   │ acks, message id
//	auth    │ HMAC │ replay id, time │ acks, message id
//	crypt   │ replay id, time │ tag │ acks and message id, encrypted
//	crypt2  │ as crypt │ wrapped client key, which ends with its length
//
// The first packet of a client has the key id 0, acknowledges nothing (acks are one
// byte, 0) and is message 0. On TCP two bytes with its length precede it.
const (
	lengthSize  = 2
	sessionSize = 8
	headerSize  = 1 + sessionSize
	replaySize  = 8
	idSize      = 4
	innerSize   = 1 + idSize // acks and message id
	tagSize     = 32         // HMAC-SHA256
	cryptSize   = headerSize + replaySize + tagSize
	extraSize   = 4 // type and length of an early negotiation's field

	clientKeySize  = 256
	wrappedLenSize = 2
	minWrapped     = tagSize + clientKeySize + wrappedLenSize
	maxWrapped     = 1024 // TLS_CRYPT_V2_MAX_WKC_LEN

	// maxPacket bounds what is read. Servers with the usual MTU take 1768 bytes.
	maxPacket = 2048
)

// The first byte of a client's first packet: its opcode, and 0 for the key id.
// Servers since 2.5 do not take V1 (key method 1) any more.
const (
	resetV1 = 1 << 3  // P_CONTROL_HARD_RESET_CLIENT_V1
	resetV2 = 7 << 3  // P_CONTROL_HARD_RESET_CLIENT_V2
	resetV3 = 10 << 3 // P_CONTROL_HARD_RESET_CLIENT_V3: a wrapped client key follows
)

// window is how far the time in a packet may be from that of its arrival.
const window = 15 * time.Second

// packet is a packet of which the first len(b) bytes are there.
type packet struct {
	b     []byte
	size  int
	ahead int // how many bytes of the head precede it
}

// first finds the first packet of the flow. The verdict is Yes if its size is known,
// and else what is to be said of the flow.
func first(f *sdk.Flow) (packet, sdk.Verdict) {
	b, v := datagram.First(f)
	if v == sdk.Yes {
		return packet{b: b, size: len(b)}, within(len(b))
	}
	if v != sdk.No {
		return packet{}, v
	}
	switch {
	case len(f.Head) == 0:
		return packet{}, sdk.Need(1)
	case int(f.Head[0]) > maxPacket>>8:
		return packet{}, sdk.No
	case len(f.Head) < lengthSize:
		return packet{}, sdk.Need(lengthSize)
	}
	size := int(binary.BigEndian.Uint16(f.Head))
	b = f.Head[lengthSize:min(len(f.Head), lengthSize+size)]
	return packet{b, size, lengthSize}, within(size)
}

func within(size int) sdk.Verdict {
	if size < headerSize+innerSize || size > maxPacket {
		return sdk.No
	}
	return sdk.Yes
}

// need asks for the first n bytes of the packet.
func (p *packet) need(n int) sdk.Verdict { return sdk.Need(p.ahead + n) }

// whole says Yes if all of the packet is there.
func (p *packet) whole() sdk.Verdict {
	if len(p.b) < p.size {
		return p.need(p.size)
	}
	return sdk.Yes
}

// session says Yes to a session id that is not 0: a server takes no other.
func (p *packet) session() sdk.Verdict {
	for _, b := range p.b[1:min(len(p.b), headerSize)] {
		if b != 0 {
			return sdk.Yes
		}
	}
	if len(p.b) < headerSize {
		return p.need(len(p.b) + 1)
	}
	return sdk.No
}

// clock is what the time in a packet is compared with.
type clock struct {
	now time.Time
	any bool
}

// replay says Yes to the replay id and the time at an offset: an id is never 0
// (packet_id.c), and the time is within the window.
func (p *packet) replay(at int, c clock) sdk.Verdict {
	if len(p.b) < at+idSize {
		return p.need(at + idSize)
	}
	if binary.BigEndian.Uint32(p.b[at:]) == 0 {
		return sdk.No
	}
	if len(p.b) < at+replaySize {
		return p.need(at + replaySize)
	}
	sent := time.Unix(int64(binary.BigEndian.Uint32(p.b[at+idSize:])), 0)
	if !c.any && c.now.Truncate(time.Second).Sub(sent).Abs() > window {
		return sdk.No
	}
	return sdk.Yes
}

// fits reports whether the size of the packet leaves room at an offset for acks and
// message id, and behind them for nothing or for a field.
func (p *packet) fits(at int) bool {
	more := p.size - at - innerSize
	return more == 0 || more >= extraSize
}

// inner judges what stands behind all protection: no acks, message 0, and nothing
// else. A server with early negotiation (2.6) also takes fields of type, length and
// value there. No client sends any: Unknown.
func (p *packet) inner(at int) sdk.Verdict {
	end := at + innerSize
	if !p.fits(at) {
		return sdk.No
	}
	for _, b := range p.b[min(len(p.b), at):min(len(p.b), end)] {
		if b != 0 {
			return sdk.No
		}
	}
	if len(p.b) < end {
		return p.need(max(len(p.b), at) + 1)
	}
	if p.size == end {
		return sdk.Yes
	}
	return p.extras(end)
}

// extras says Unknown to well-formed fields and No to all others.
func (p *packet) extras(at int) sdk.Verdict {
	for at < p.size {
		if p.size-at < extraSize {
			return sdk.No
		}
		if len(p.b) < at+extraSize {
			return p.need(at + extraSize)
		}
		at += extraSize + int(binary.BigEndian.Uint16(p.b[at+2:]))
	}
	if at > p.size {
		return sdk.No
	}
	return sdk.Unknown
}
