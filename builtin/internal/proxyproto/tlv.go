package proxyproto

import (
	"encoding/binary"
	"errors"
	"iter"
)

// The types of TLVs that have a name (§2.2.1 to §2.2.7).
const (
	ALPN      = 0x01
	Authority = 0x02
	crc32c    = 0x03
	UniqueID  = 0x05
	ssl       = 0x20
	NetNS     = 0x30
	Custom    = 0xe0 // the first of those that senders give a meaning of their own
)

const (
	tlvHead = 3 // type and length
	sslHead = 5 // what the client used, and how its certificate was verified
)

var errTLV = errors.New("a TLV is longer than the header")

// TLVs yields the type-length-value fields of a header of version 2, in their order. Those
// inside a field about TLS are not among them, see [Header.TLS].
func (h *Header) TLVs() iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) { fields(h.tlvs, yield) }
}

// fields yields fields, and reports whether they are whole.
func fields(b []byte, yield func(byte, []byte) bool) bool {
	for len(b) > 0 {
		if len(b) < tlvHead {
			return false
		}
		kind, size := b[0], int(binary.BigEndian.Uint16(b[1:]))
		if b = b[tlvHead:]; size > len(b) {
			return false
		}
		if !yield(kind, b[:size:size]) {
			return true
		}
		b = b[size:]
	}
	return true
}

// whole returns an error if a field is longer than what it stands in.
func (h *Header) whole() error {
	if !fields(h.tlvs, func(byte, []byte) bool { return true }) {
		return errTLV
	}
	for kind, value := range h.TLVs() {
		if kind == ssl && (len(value) < sslHead || !fields(value[sslHead:], func(byte, []byte) bool { return true })) {
			return errTLV
		}
	}
	return nil
}

// TLS is what a header of version 2 says of the TLS that its sender terminated (§2.2.6).
type TLS struct {
	Client byte   // bits: 1 TLS was used, 2 a certificate came on this connection, 4 in this session
	Verify uint32 // 0: a certificate came and was verified
	Fields []byte // for [TLS.TLVs]
}

// TLS returns what the header says of TLS; false: nothing.
func (h *Header) TLS() (t TLS, ok bool) {
	for kind, value := range h.TLVs() {
		if kind == ssl {
			return TLS{value[0], binary.BigEndian.Uint32(value[1:]), value[sslHead:]}, true
		}
	}
	return TLS{}, false
}

// The types of the fields inside (§2.2.6).
const (
	TLSVersion    = 0x21
	TLSCommonName = 0x22
	TLSCipher     = 0x23
	TLSSignature  = 0x24
	TLSKey        = 0x25
	TLSGroup      = 0x26
	TLSSigScheme  = 0x27
	TLSCert       = 0x28
)

// TLVs yields the fields inside.
func (t *TLS) TLVs() iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) { fields(t.Fields, yield) }
}
