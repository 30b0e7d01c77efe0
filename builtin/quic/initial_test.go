package quic_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
)

// The versions with all that is their own.
const (
	v1      = 0x00000001
	v2      = 0x6b3343cf
	draft29 = 0xff00001d
)

// side is one end's protection of Initial packets, made with crypto/hkdf: the other
// way in which it can be done than the matcher's.
type side struct {
	version uint32
	aead    cipher.AEAD
	header  cipher.Block
	iv      []byte
}

// newSide makes the keys of "client in" or "server in".
func newSide(t testing.TB, version uint32, dcid []byte, label string) *side {
	t.Helper()
	salts := map[uint32]string{
		v1:      "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a",
		v2:      "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
		draft29: "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99",
	}
	prefix := "quic"
	if version == v2 {
		prefix = "quicv2"
	}
	extracted, err := hkdf.Extract(sha256.New, dcid, []byte(salts[version]))
	if err != nil {
		t.Fatal(err)
	}
	secret := expandLabel(t, extracted, label, 32)
	block, err := aes.NewCipher(expandLabel(t, secret, prefix+" key", 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	header, err := aes.NewCipher(expandLabel(t, secret, prefix+" hp", 16))
	if err != nil {
		t.Fatal(err)
	}
	return &side{version, aead, header, expandLabel(t, secret, prefix+" iv", 12)}
}

func expandLabel(t testing.TB, secret []byte, label string, n int) []byte {
	t.Helper()
	label = "tls13 " + label
	key, err := hkdf.Expand(sha256.New, secret, "\x00"+string(rune(n))+string(rune(len(label)))+label+"\x00", n)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// initial is an Initial packet before it is protected.
type initial struct {
	flags      byte // reserved bits and the like, beside what every packet has
	noFixedBit bool
	zeroRTT    bool
	number     uint32
	dcid, scid []byte
	token      []byte
	frames     []byte
}

// seal protects the packet. Its number has four bytes.
func (s *side) seal(p initial) []byte {
	first := 0xc0 | 3 | p.flags
	if s.version == v2 {
		first += 0x10
	}
	if p.zeroRTT {
		first += 0x10
	}
	if p.noFixedBit {
		first &^= 0x40
	}
	b := binary.BigEndian.AppendUint32([]byte{first}, s.version)
	b = append(append(b, byte(len(p.dcid))), p.dcid...)
	b = append(append(b, byte(len(p.scid))), p.scid...)
	if !p.zeroRTT {
		b = append(varint(b, len(p.token)), p.token...)
	}
	b = varint(b, 4+len(p.frames)+16)
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, p.number)
	nonce := bytes.Clone(s.iv)
	for i := range 4 {
		nonce[8+i] ^= b[at+i]
	}
	b = s.aead.Seal(b, nonce, p.frames, b)
	var mask [16]byte
	s.header.Encrypt(mask[:], b[at+4:at+20])
	b[0] ^= mask[0] & 0x0f
	for i := range 4 {
		b[at+i] ^= mask[1+i]
	}
	return b
}

// open returns the frames of the packet that d begins with and its length, or nil if
// it is none of this side.
func (s *side) open(d []byte) (frames []byte, size int) {
	at := 6 + int(d[5])
	at += 1 + int(d[at])
	token, n := readVarint(d[at:])
	at += n + token
	length, n := readVarint(d[at:])
	at += n
	d = bytes.Clone(d[:at+length])
	var mask [16]byte
	s.header.Encrypt(mask[:], d[at+4:at+20])
	d[0] ^= mask[0] & 0x0f
	nonce := bytes.Clone(s.iv)
	numberLen := int(d[0]&3) + 1
	for i := range numberLen {
		d[at+i] ^= mask[1+i]
		nonce[12-numberLen+i] ^= d[at+i]
	}
	frames, err := s.aead.Open(nil, nonce, d[at+numberLen:], d[:at+numberLen])
	if err != nil {
		return nil, len(d)
	}
	return frames, len(d)
}

func varint(b []byte, v int) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)|2<<30) }

func readVarint(b []byte) (v, size int) {
	size = 1 << (b[0] >> 6)
	v = int(b[0] & 0x3f)
	for _, c := range b[1:size] {
		v = v<<8 | int(c)
	}
	return v, size
}

// crypto is a CRYPTO frame with a part of a message.
func crypto(msg []byte, from, to int) []byte {
	return append(varint(varint([]byte{6}, from), to-from), msg[from:to]...)
}

// helloOf decrypts the ClientHello in a flight that was captured.
func helloOf(t testing.TB, datagrams [][]byte) []byte {
	t.Helper()
	d := datagrams[0]
	s := newSide(t, binary.BigEndian.Uint32(d[1:]), d[6:6+d[5]], "client in")
	var msg []byte
	there := 0
	for _, d := range datagrams {
		if d[0]&0x30 != datagrams[0][0]&0x30 {
			continue // 0-RTT
		}
		frames, _ := s.open(d)
		for at := 0; at < len(frames); {
			if frames[at] != 6 {
				at++ // PADDING or PING
				continue
			}
			offset, n := readVarint(frames[at+1:])
			size, m := readVarint(frames[at+1+n:])
			at += 1 + n + m
			msg = slices.Grow(msg, max(0, offset+size-len(msg)))[:max(len(msg), offset+size)]
			copy(msg[offset:], frames[at:at+size])
			at += size
			there += size
		}
	}
	if there < 4 || there != len(msg) || len(msg) != 4+(int(msg[1])<<16|int(msg[2])<<8|int(msg[3])) {
		t.Fatalf("the flight holds %d of %d bytes", there, len(msg))
	}
	return msg
}
