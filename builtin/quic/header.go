package quic

import (
	"bytes"
	"encoding/binary"
)

// The bits of a long header's first byte (RFC 9000 §17.2).
const (
	longHeader   = 0x80
	fixedBit     = 0x40
	reservedBits = 0x0c // protected, as the bits below them
	numberBits   = 0x03 // length of the packet number less one
	protected    = 0x0f
)

// kind is the type of a packet with a long header.
type kind uint8

// The types, with the numbers of version 1 (RFC 9000 §17.2).
const (
	initial kind = iota
	zeroRTT
	handshake
	retry
)

const maxID = 20 // the longest connection ID of the versions that are read (RFC 9000 §17.2)

// packet is a packet with a long header, as far as it is not protected. Its slices are
// parts of the datagram.
type packet struct {
	version    uint32
	first      byte
	kind       kind // of a version that is known
	dcid, scid []byte
	token      []byte
	raw        []byte // all of it
	number     int    // where the packet number stands in raw
}

// belongsTo reports whether p, in the same datagram as first, is of its connection.
func (p *packet) belongsTo(first *packet) bool {
	return p.version == first.version && bytes.Equal(p.dcid, first.dcid)
}

// reader reads a packet or its frames. After a read that lacked bytes all reads give
// zero values and ok is false.
type reader struct {
	b  []byte
	at int
	ok bool
}

func (r *reader) bytes(n uint64) []byte {
	if !r.ok || n > uint64(len(r.b)-r.at) {
		r.ok = false
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// varint reads a number of one, two, four or eight bytes (RFC 9000 §16).
func (r *reader) varint() uint64 {
	first := r.byte()
	v := uint64(first & 0x3f)
	for _, b := range r.bytes(1<<(first>>6) - 1) {
		v = v<<8 | uint64(b)
	}
	return v
}

// common reads what the packets with a long header of all versions have in common (RFC
// 8999 §5.1).
func common(d []byte) (p packet, r reader) {
	r = reader{b: d, ok: true}
	p.first = r.byte()
	p.version = r.uint32()
	p.dcid = r.bytes(uint64(r.byte()))
	p.scid = r.bytes(uint64(r.byte()))
	r.ok = r.ok && p.first&longHeader != 0
	return p, r
}

// parsePacket reads the header of the packet that d begins with. It fails where every
// server drops the packet: it is no packet of a known version with a long header and
// a length, or is not there as a whole.
func parsePacket(d []byte) (p packet, ok bool) {
	p, r := common(d)
	proto, known := protocolOf(p.version)
	if !r.ok || !known || len(p.dcid) > maxID || len(p.scid) > maxID {
		return p, false
	}
	p.kind = proto.kind(p.first)
	if p.kind == retry {
		return p, false
	}
	if p.kind == initial {
		p.token = r.bytes(r.varint())
	}
	length := r.varint()
	p.number = r.at
	r.bytes(length)
	p.raw = d[:r.at]
	return p, r.ok
}
