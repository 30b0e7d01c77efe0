package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
)

// The versions that are read.
const (
	version1  = 0x00000001
	version2  = 0x6b3343cf
	draft29   = 0xff00001d
	sampleLen = 16 // RFC 9001 §5.4.3
	tagLen    = 16 // RFC 9001 §5.3
	nonceLen  = 12
)

// protocol is what differs from one version to another.
type protocol struct {
	name  string // the fact
	salt  string // of Initial secrets
	label string // of the keys, without their last word
	shift byte   // what is added to the type of a packet
}

// protocolOf returns the protocol of a version that is known: RFC 9001 §5.2, RFC 9369
// §3, draft-ietf-quic-tls-29 §5.2.
func protocolOf(version uint32) (protocol, bool) {
	switch version {
	case version1:
		return protocol{
			name:  "v1",
			salt:  "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a",
			label: "quic ",
		}, true
	case version2:
		return protocol{
			name:  "v2",
			salt:  "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
			label: "quicv2 ", shift: 1,
		}, true
	case draft29:
		return protocol{
			name:  "draft-29",
			salt:  "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99",
			label: "quic ",
		}, true
	}
	return protocol{}, false
}

func (p *protocol) kind(first byte) kind { return kind((first>>4 - p.shift) & 3) }

// keys open the Initial packets of one client.
type keys struct {
	payload cipher.AEAD
	header  cipher.Block
	iv      [nonceLen]byte
	mask    [sampleLen]byte
	nonce   [nonceLen]byte
	plain   []byte // the payload that was opened last
	aad     []byte // its header, without protection
}

// derive makes the keys of a client's Initial packets (RFC 9001 §5.2) from the
// connection ID in the first of them.
func (k *keys) derive(p *protocol, dcid []byte) {
	extracted := mac(p.salt, dcid)
	secret := expand(&extracted, "client in", "", sha256.Size)
	key := expand(&secret, p.label, "key", aes.BlockSize)
	iv := expand(&secret, p.label, "iv", nonceLen)
	hp := expand(&secret, p.label, "hp", aes.BlockSize)
	block, _ := aes.NewCipher(key[:aes.BlockSize]) // it fails for other lengths only
	k.payload, _ = cipher.NewGCM(block)
	k.header, _ = aes.NewCipher(hp[:aes.BlockSize])
	copy(k.iv[:], iv[:])
}

// expand is HKDF-Expand-Label (RFC 8446 §7.1) for up to 32 bytes, with a label in two
// parts and no context.
func expand(secret *[sha256.Size]byte, label, word string, length int) [sha256.Size]byte {
	var buf [64]byte
	info := append(buf[:0], 0, byte(length), byte(len("tls13 ")+len(label)+len(word)))
	info = append(append(append(info, "tls13 "...), label...), word...)
	info = append(info, 0, 1) // no context; the first block of HKDF-Expand (RFC 5869 §2.3)
	return mac(secret[:], info)
}

// mac is HMAC-SHA-256 (RFC 2104) with a key and a message of at most 64 bytes each. That
// of crypto/hmac, and with it crypto/hkdf, allocates at every call; neither key nor
// message is a secret here, because both follow from what anybody can read.
func mac[K string | []byte](key K, msg []byte) [sha256.Size]byte {
	var inner [2 * sha256.BlockSize]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := copy(inner[sha256.BlockSize:], msg)
	sum := sha256.Sum256(inner[:sha256.BlockSize+n])
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}

// opened is a packet without protection.
type opened struct {
	first   byte
	number  uint64
	payload []byte // valid until the next packet is opened
}

// open removes the protection of a packet's header and of its payload (RFC 9001 §5.4,
// §5.3). next is the number behind the greatest that was there.
func (k *keys) open(p *packet, next uint64) (o opened, ok bool) {
	sample := p.number + 4 // as if the packet number had its greatest length
	if len(p.raw) < sample+sampleLen {
		return o, false
	}
	k.header.Encrypt(k.mask[:], p.raw[sample:sample+sampleLen])
	o.first = p.first ^ k.mask[0]&protected
	size := int(o.first&numberBits) + 1
	k.aad = append(k.aad[:0], p.raw[:p.number+size]...)
	k.aad[0] = o.first
	var short uint64
	for i := range size {
		k.aad[p.number+i] ^= k.mask[1+i]
		short = short<<8 | uint64(k.aad[p.number+i])
	}
	o.number = decodeNumber(next, short, 8*size)
	k.nonce = k.iv
	tail := k.nonce[nonceLen-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^o.number)
	plain, err := k.payload.Open(k.plain[:0], k.nonce[:], p.raw[p.number+size:], k.aad)
	if err != nil {
		return o, false
	}
	k.plain, o.payload = plain, plain
	return o, true
}

// decodeNumber returns the packet number nearest to the one that is expected of those
// that end in short (RFC 9000 appendix A.3).
func decodeNumber(expected, short uint64, bits int) uint64 {
	window := uint64(1) << bits
	n := expected&^(window-1) | short
	switch {
	case n+window/2 <= expected && n+window < 1<<62:
		return n + window
	case n > expected+window/2 && n >= window:
		return n - window
	}
	return n
}
