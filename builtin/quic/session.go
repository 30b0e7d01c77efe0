package quic

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"slices"

	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

const (
	minDatagram = 1200 // RFC 9000 §14.1
	minDCID     = 8    // RFC 9000 §7.2
	defaultMax  = 16 << 10
)

// state is what the matchers of a session share: its client's first packets and the
// hello in them, as far as they are there.
type state struct {
	verdict sdk.Verdict // of a matcher without options
	foreign bool        // it is Yes to a version whose hello cannot be read
	hello   clienthello.Hello
	stream  stream

	read int // how many datagrams have been read
	at   int // where they end in the head

	begun      bool // an Initial packet was opened, and says what follows
	version    uint32
	proto      protocol
	dcid, scid id
	keys       keys
	numbers    []uint64 // of the packets that were opened
	next       uint64   // the number behind the greatest of them
	word       [len("0x") + 8]byte
}

// id is a connection ID.
type id struct {
	bytes [maxID]byte
	len   int
}

func (c *id) set(b []byte)         { c.len = copy(c.bytes[:], b) }
func (c *id) is(b []byte) bool     { return bytes.Equal(c.bytes[:c.len], b) }
func isDatagrams(f *sdk.Flow) bool { return f.Network == "udp" || f.Network == "unixgram" }

// Reset implements [sdk.Resetter].
func (s *state) Reset() {
	s.hello.Reset()
	s.stream.reset()
	s.keys = keys{plain: s.keys.plain[:0], aad: s.keys.aad[:0]}
	s.verdict, s.foreign, s.read, s.at, s.begun = 0, false, 0, 0, false
	s.numbers, s.next = s.numbers[:0], 0
}

// parse returns the session's state, up to date with its datagrams.
func parse(f *sdk.Flow) *state {
	return sdk.Parse(f, func(f *sdk.Flow, s *state) {
		switch {
		case !isDatagrams(f):
			s.verdict = sdk.No
		case s.read == 0 || !s.verdict.Decided():
			s.verdict = s.datagrams(f)
		}
	})
}

// datagrams goes on reading datagrams until the hello is decided or there are no more.
func (s *state) datagrams(f *sdk.Flow) sdk.Verdict {
	limit := cmp.Or(f.MaxHead, defaultMax)
	for s.read < len(f.Bounds) {
		end := min(f.Bounds[s.read], len(f.Head))
		d := f.Head[s.at:end]
		s.read, s.at = s.read+1, end
		if len(d) == 0 {
			continue
		}
		v := s.opening(d)
		if v == more {
			v = s.datagram(d, limit)
		}
		if v.Decided() {
			return v
		}
	}
	return sdk.Need(len(f.Head) + 1)
}

// opening judges a datagram in front of which there was no Initial packet by its first
// packet: more says that the packet's version is known.
func (s *state) opening(d []byte) sdk.Verdict {
	if s.begun {
		return more
	}
	p, r := common(d)
	if !r.ok {
		return sdk.No
	}
	if _, known := protocolOf(p.version); known {
		return more
	}
	return s.negotiable(&p, len(d))
}

// negotiable judges a packet of a version that is not known. Version 0 is that of the
// server's answer (RFC 8999 §6).
func (s *state) negotiable(p *packet, size int) sdk.Verdict {
	switch {
	case p.version == 0 || p.first&fixedBit == 0 || size < minDatagram:
		return sdk.No
	case len(p.dcid) > maxID || len(p.scid) > maxID:
		return sdk.Unknown
	}
	s.version, s.foreign = p.version, true
	return sdk.Yes
}

// datagram reads the packets that stand one after the other in a datagram (RFC 9000
// §12.2). Those of another version or connection ID than the first are not looked at.
func (s *state) datagram(d []byte, limit int) sdk.Verdict {
	whole := d
	first, ok := parsePacket(d)
	if !s.begun && !ok {
		return sdk.No
	}
	for p := first; ok; p, ok = parsePacket(d) {
		if p.kind == initial && len(whole) >= minDatagram && p.belongsTo(&first) {
			if v := s.initial(&p, limit); v.Decided() {
				return v
			}
		}
		d = d[len(p.raw):]
	}
	if !s.begun && first.kind != zeroRTT {
		return sdk.No
	}
	return more
}

// initial reads an Initial packet. One that a server drops changes nothing.
func (s *state) initial(p *packet, limit int) sdk.Verdict {
	if !s.expects(p) {
		return more
	}
	o, ok := s.keys.open(p, s.next)
	if !ok || slices.Contains(s.numbers, o.number) {
		return more
	}
	if !s.begun {
		s.begun = true
		s.scid.set(p.scid)
	}
	s.numbers, s.next = append(s.numbers, o.number), max(s.next, o.number+1)
	if o.first&reservedBits != 0 {
		return sdk.No
	}
	if v := s.frames(o.payload, limit); v.Decided() {
		return v
	}
	return s.readHello(limit)
}

// expects reports whether a server takes the packet for one of this connection. The
// first one decides what it expects of all others (RFC 9000 §7.2), and has no keys
// before.
func (s *state) expects(p *packet) bool {
	if s.begun {
		return p.version == s.version && s.dcid.is(p.dcid) && s.scid.is(p.scid)
	}
	if len(p.token) == 0 && (p.first&fixedBit == 0 || len(p.dcid) < minDCID) {
		return false
	}
	if s.keys.payload == nil || p.version != s.version || !s.dcid.is(p.dcid) {
		s.version = p.version
		s.proto, _ = protocolOf(p.version)
		s.dcid.set(p.dcid)
		s.keys.derive(&s.proto, p.dcid)
	}
	return true
}

// readHello reads what is there of the hello. One that only some servers take is
// Unknown, as is one that can never be there as a whole, whatever is in it.
func (s *state) readHello(limit int) sdk.Verdict {
	progress, _ := s.hello.Read(s.stream.whole())
	if s.hello.Len() > limit {
		return sdk.Unknown
	}
	switch progress {
	case clienthello.More:
		return more
	case clienthello.Done:
		return sdk.Yes
	case clienthello.Bad:
		return sdk.No
	}
	return sdk.Unknown
}

// versionName returns how the version is written, valid until the next call.
func (s *state) versionName() []byte {
	if !s.foreign {
		return s.word[:copy(s.word[:], s.proto.name)]
	}
	number := [4]byte{byte(s.version >> 24), byte(s.version >> 16), byte(s.version >> 8), byte(s.version)}
	return hex.AppendEncode(append(s.word[:0], "0x"...), number[:])
}
