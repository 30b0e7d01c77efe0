package openvpn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"sync"
)

// Where the parts of a key lie. OpenVPN's static keys are two pairs of a cipher key
// and an HMAC key, each with room for 64 bytes: the first pair for one direction, the
// second for the other. tls-crypt-v2 server keys are one pair.
const (
	slotSize      = 64
	groupKeySize  = 4 * slotSize
	serverKeySize = 2 * slotSize
	cipherKeySize = 32 // AES-256
	hmacKeySize   = sha256.Size

	firstCipher, firstHMAC   = 0, slotSize
	secondCipher, secondHMAC = 2 * slotSize, 3 * slotSize
)

// authenticator checks the HMAC of --tls-auth.
type authenticator struct {
	digest
	states *sync.Pool // of *macState; nil without a key
}

// macState is an HMAC that is used again.
type macState struct {
	hash.Hash
	sum [maxDigest]byte
}

// newAuthenticator makes one for a key; without a key it only knows the size.
func newAuthenticator(d digest, key []byte) authenticator {
	if key == nil {
		return authenticator{digest: d}
	}
	key = key[:d.size]
	return authenticator{d, &sync.Pool{New: func() any { return &macState{Hash: hmac.New(d.make, key)} }}}
}

// authentic reports whether the HMAC of a packet is right. It covers all of the
// packet but itself, what guards against replays first.
func (a *authenticator) authentic(b []byte) bool {
	s := a.states.Get().(*macState)
	defer a.states.Put(s)
	sum, rest := b[headerSize:headerSize+a.size], b[headerSize+a.size:]
	s.Reset()
	s.Write(rest[:replaySize])
	s.Write(b[:headerSize])
	s.Write(rest[replaySize:])
	return hmac.Equal(sum, s.Sum(s.sum[:0]))
}

// unwrapper decrypts and authenticates what tls-crypt and tls-crypt-v2 wrap, by one
// construction: the first half of the HMAC-SHA256 of the plain text is the
// initialization vector of AES-256-CTR (tls_crypt.h).
type unwrapper struct {
	block cipher.Block
	key   []byte // of the HMAC
}

func newUnwrapper(cipherKey, hmacKey []byte) unwrapper {
	block, err := aes.NewCipher(cipherKey[:cipherKeySize])
	if err != nil {
		panic(err) // the length is that of a key
	}
	return unwrapper{block, hmacKey[:hmacKeySize]}
}

// ofClient returns the unwrapper of what the owner of a key of 256 bytes sends: a
// client of tls-crypt has the second direction.
func ofClient(key []byte) unwrapper {
	return newUnwrapper(key[secondCipher:], key[secondHMAC:])
}

// wrapState is the memory that unwrapping takes.
type wrapState struct {
	hash    hash.Hash
	pad     [sha256.BlockSize]byte
	sum     [tagSize]byte
	counter [aes.BlockSize]byte
	stream  [aes.BlockSize]byte
	plain   [maxPacket]byte
	key     [clientKeySize]byte
}

// wrapStates are used again: nothing of a packet outlives its judgement there.
var wrapStates = sync.Pool{New: func() any { return &wrapState{hash: sha256.New()} }}

// unwrap returns the plain text of what was wrapped together with what is associated
// with it, or false if it is not authentic. The text lies in s.
func (u unwrapper) unwrap(s *wrapState, associated, tag, wrapped []byte) ([]byte, bool) {
	plain := s.plain[:len(wrapped)]
	copy(s.counter[:], tag)
	for done := 0; done < len(wrapped); done += aes.BlockSize {
		u.block.Encrypt(s.stream[:], s.counter[:])
		end := min(done+aes.BlockSize, len(wrapped))
		subtle.XORBytes(plain[done:end], wrapped[done:end], s.stream[:])
		s.count()
	}
	return plain, hmac.Equal(tag, s.mac(u.key, associated, plain))
}

// mac returns the HMAC-SHA256 of two texts, one behind the other (RFC 2104 §2). Unlike
// that of crypto/hmac it takes another key each time without an allocation.
func (s *wrapState) mac(key, first, second []byte) []byte {
	s.block(key, 0x36)
	s.hash.Write(first)
	s.hash.Write(second)
	inner := s.hash.Sum(s.sum[:0])
	s.block(key, 0x5c)
	s.hash.Write(inner)
	return s.hash.Sum(s.sum[:0])
}

// block begins a hash with the block of a key that is no longer than a block.
func (s *wrapState) block(key []byte, mask byte) {
	clear(s.pad[:])
	copy(s.pad[:], key)
	for i := range s.pad {
		s.pad[i] ^= mask
	}
	s.hash.Reset()
	s.hash.Write(s.pad[:])
}

// count adds one to the counter, a number of 128 bits.
func (s *wrapState) count() {
	for i := len(s.counter) - 1; i >= 0; i-- {
		s.counter[i]++
		if s.counter[i] != 0 {
			return
		}
	}
}

// clientKey returns the key of 256 bytes in a wrapped client key: its length is
// authenticated with it, and metadata may follow the key. The key lies in s.
func (u unwrapper) clientKey(s *wrapState, wrapped []byte) ([]byte, bool) {
	end := len(wrapped) - wrappedLenSize
	plain, ok := u.unwrap(s, wrapped[end:], wrapped[:tagSize], wrapped[tagSize:end])
	if !ok {
		return nil, false
	}
	copy(s.key[:], plain)
	return s.key[:], true
}

// made reports whether a client's key with its wrapped form behind was wrapped with
// the key of u.
func (u unwrapper) made(key []byte) bool {
	s := wrapStates.Get().(*wrapState)
	defer wrapStates.Put(s)
	unwrapped, ok := u.clientKey(s, key[clientKeySize:])
	return ok && bytes.Equal(unwrapped, key[:clientKeySize])
}

// wrappedSize returns the length of the wrapped client key at the end of b, or 0 if
// there is none.
func wrappedSize(b []byte) int {
	n := int(binary.BigEndian.Uint16(b[len(b)-wrappedLenSize:]))
	if n < minWrapped || n > maxWrapped || n > len(b) {
		return 0
	}
	return n
}
