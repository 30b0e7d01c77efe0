package quic

import "dwaar.dev/dwaar/sdk"

// The types of frames that Initial packets can carry (RFC 9000 §12.4, §17.2.2).
const (
	framePadding = 0x00
	framePing    = 0x01
	frameAck     = 0x02
	frameAckECN  = 0x03
	frameCrypto  = 0x06
	frameClose   = 0x1c
)

// more is the verdict as long as another datagram is needed.
const more = sdk.Verdict(-1)

// frames reads the frames of an Initial packet. A packet without any is a fault (RFC
// 9000 §12.4), as is a frame that cannot be there or is not there as a whole. A
// client that closes its connection sends no hello any more.
func (s *state) frames(payload []byte, limit int) sdk.Verdict {
	if len(payload) == 0 {
		return sdk.No
	}
	r := reader{b: payload, ok: true}
	for r.at < len(r.b) {
		v := more
		switch frame := r.byte(); frame {
		case framePadding, framePing:
		case frameAck, frameAckECN:
			skipAck(&r, frame)
		case frameCrypto:
			v = s.crypto(&r, limit)
		default: // frameClose among them
			return sdk.No
		}
		if !r.ok {
			return sdk.No
		}
		if v.Decided() {
			return v
		}
	}
	return more
}

// skipAck reads an ACK frame (RFC 9000 §19.3). No server has sent anything that it could
// acknowledge; not all servers care.
func skipAck(r *reader, frame byte) {
	r.varint() // the greatest number
	r.varint() // delay
	ranges := r.varint()
	r.varint() // first range
	for ; ranges > 0 && r.ok; ranges-- {
		r.varint() // gap
		r.varint() // length
	}
	if frame == frameAckECN {
		r.varint()
		r.varint()
		r.varint()
	}
}

// crypto reads a CRYPTO frame (RFC 9000 §19.6).
func (s *state) crypto(r *reader, limit int) sdk.Verdict {
	offset := r.varint()
	data := r.bytes(r.varint())
	switch {
	case !r.ok:
		return more
	case offset+uint64(len(data)) > uint64(limit):
		return sdk.Unknown
	case !s.stream.add(int(offset), data):
		return sdk.Unknown
	}
	return more
}
