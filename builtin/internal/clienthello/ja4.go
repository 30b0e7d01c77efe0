package clienthello

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// ja4Scratch is memory for JA4, kept by Reset.
type ja4Scratch struct {
	values []uint16
	text   []byte
}

// JA4 returns the fingerprint of a complete hello as FoxIO defines it: the list of
// what a client supports, with what varies from one connection to the next left
// out. transport is 't' for TCP or 'q' for QUIC; msg is the message. It is
// computed at the first call and valid until Reset.
//
//	t13d1516h2_8daaf6152771_e5627efa2ab1
//
// t, the version, d if there is a server name or else i, the numbers of cipher
// suites and of extensions, the ends of the first ALPN protocol; the hash of the
// sorted suites; the hash of the sorted extensions and the signature algorithms.
func (h *Hello) JA4(msg []byte, transport byte) []byte {
	if len(h.ja4) > 0 {
		return h.ja4
	}
	ciphers := appendNumbers(h.scratch.values[:0], h.ciphers.of(msg))
	slices.Sort(ciphers)
	h.scratch.values, h.scratch.text = ciphers, appendHex(h.scratch.text[:0], ciphers)
	var sum [12]byte
	digest(&sum, h.scratch.text)

	h.ja4 = append(h.ja4[:0], transport)
	h.ja4 = append(h.ja4, versionCode(h.ja4Version(msg))...)
	h.ja4 = append(h.ja4, nameCode(h.has(extServerName)))
	h.ja4 = appendCount(h.ja4, len(ciphers))
	h.ja4 = appendCount(h.ja4, h.extensionCount())
	first, last := h.alpnCode(msg)
	h.ja4 = append(h.ja4, first, last, '_')
	h.ja4 = append(h.ja4, sum[:]...)

	h.hashExtensions(msg, &sum)
	h.ja4 = append(append(h.ja4, '_'), sum[:]...)
	return h.ja4
}

func (h *Hello) hashExtensions(msg []byte, sum *[12]byte) {
	kinds := h.scratch.values[:0]
	for _, t := range h.types {
		if !isGREASE(t) && t != extServerName && t != extALPN {
			kinds = append(kinds, t)
		}
	}
	slices.Sort(kinds)
	text := appendHex(h.scratch.text[:0], kinds)
	if len(kinds) > 0 && h.schemes != (span{}) {
		kinds = appendNumbers(kinds[:0], h.schemes.of(msg))
		text = appendHex(append(text, '_'), kinds)
	}
	h.scratch = ja4Scratch{kinds, text}
	digest(sum, text)
}

// appendNumbers appends the 16-bit numbers in b, without GREASE.
func appendNumbers(numbers []uint16, b []byte) []uint16 {
	for ; len(b) > 1; b = b[2:] {
		if v := binary.BigEndian.Uint16(b); !isGREASE(v) {
			numbers = append(numbers, v)
		}
	}
	return numbers
}

func (h *Hello) extensionCount() int {
	n := 0
	for _, t := range h.types {
		if !isGREASE(t) {
			n++
		}
	}
	return n
}

// ja4Version is the highest version in supported_versions, known or not, or what
// the version field says.
func (h *Hello) ja4Version(msg []byte) uint16 {
	if h.versions == (span{}) {
		return h.legacy
	}
	return h.highest(msg, 0xffff)
}

func versionCode(v uint16) string {
	switch v {
	case TLS13:
		return "13"
	case TLS12:
		return "12"
	case TLS11:
		return "11"
	case TLS10:
		return "10"
	case SSL30:
		return "s3"
	}
	return "00"
}

func nameCode(has bool) byte {
	if has {
		return 'd'
	}
	return 'i'
}

// alpnCode is the first and the last character of the first protocol; of its hex
// form, if one of the two is no letter or digit.
func (h *Hello) alpnCode(msg []byte) (first, last byte) {
	if h.offers == (span{}) {
		return '0', '0'
	}
	list := h.offers.of(msg)
	first, last = list[1], list[list[0]]
	if isAlnum(first) && isAlnum(last) {
		return first, last
	}
	const digits = "0123456789abcdef"
	return digits[first>>4], digits[last&15]
}

func isAlnum(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

// appendCount appends n in two digits; 99 stands for more, too.
func appendCount(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, byte('0'+n/10), byte('0'+n%10))
}

// appendHex appends the values as four hex digits each, separated by commas.
func appendHex(b []byte, values []uint16) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
	}
	return b
}

// digest is the first 12 hex digits of the SHA-256 of text, or zeros for
// nothing.
func digest(to *[12]byte, text []byte) {
	if len(text) == 0 {
		copy(to[:], "000000000000")
		return
	}
	sum := sha256.Sum256(text)
	hex.Encode(to[:], sum[:6])
}
