package openvpn

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"hash"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/blake2s"
)

// digest is a hash function that --auth can name.
type digest struct {
	name string
	size int
	make func() hash.Hash
}

// digests returns all digests, the usual ones first: without auth_digest they are
// tried in this order. OpenVPN with OpenSSL has all of them but the two of SHAKE,
// which OpenSSL does not allow in an HMAC: those are as in caddy-l4.
func digests() []digest {
	return []digest{
		{"SHA-1", sha1.Size, sha1.New},
		{"SHA-256", sha256.Size, sha256.New},
		{"SHA-512", sha512.Size, sha512.New},
		{"SHA-384", sha512.Size384, sha512.New384},
		{"SHA-224", sha256.Size224, sha256.New224},
		{"MD5", md5.Size, md5.New},
		{"SHA-512/224", sha512.Size224, sha512.New512_224},
		{"SHA-512/256", sha512.Size256, sha512.New512_256},
		{"SHA3-224", 28, func() hash.Hash { return sha3.New224() }},
		{"SHA3-256", 32, func() hash.Hash { return sha3.New256() }},
		{"SHA3-384", 48, func() hash.Hash { return sha3.New384() }},
		{"SHA3-512", 64, func() hash.Hash { return sha3.New512() }},
		{"BLAKE2s-256", blake2s.Size, newBLAKE2s},
		{"BLAKE2b-512", blake2b.Size, newBLAKE2b},
		{"MD5-SHA1", md5.Size + sha1.Size, func() hash.Hash { return md5sha1{md5.New(), sha1.New()} }},
		{"SHAKE-128", 32, func() hash.Hash { return shake{sha3.NewSHAKE128(), 32} }},
		{"SHAKE-256", 64, func() hash.Hash { return shake{sha3.NewSHAKE256(), 64} }},
	}
}

const (
	minDigest = md5.Size
	maxDigest = 64
)

func newBLAKE2s() hash.Hash {
	h, _ := blake2s.New256(nil) // only a key can be wrong
	return h
}

func newBLAKE2b() hash.Hash {
	h, _ := blake2b.New512(nil) // only a key can be wrong
	return h
}

// findDigest returns the digest of that name: in any case, with or without what
// separates its parts (SHA-256, sha256), as OpenSSL calls it (RSA-SHA256,
// BLAKE2s256), and with the family's number (SHA2-256).
func findDigest(name string) (digest, bool) {
	name = plainName(name)
	if length, ok := strings.CutPrefix(name, "sha2"); ok && slices.Contains([]string{"224", "256", "384", "512", "512224", "512256"}, length) {
		name = "sha" + length
	}
	for _, d := range digests() {
		if plainName(d.name) == name {
			return d, true
		}
	}
	return digest{}, false
}

func plainName(name string) string {
	name = strings.NewReplacer("-", "", "/", "", "_", "", "+", "").Replace(strings.ToLower(name))
	return strings.TrimPrefix(strings.TrimPrefix(name, "rsa"), "ssl3")
}

func digestNames() string {
	var names []string
	for _, d := range digests() {
		names = append(names, d.name)
	}
	return strings.Join(names, ", ")
}

// onePerSize returns a digest of each size: without a key there is nothing else to
// tell them apart by.
func onePerSize() []digest {
	all := digests()
	slices.SortStableFunc(all, func(a, b digest) int { return a.size - b.size })
	return slices.CompactFunc(all, func(a, b digest) bool { return a.size == b.size })
}

// md5sha1 is the digest of SSL 3.0 and TLS 1.0: one of MD5 and one of SHA-1, side by
// side.
type md5sha1 struct{ md5, sha1 hash.Hash }

func (m md5sha1) Write(b []byte) (int, error) {
	m.md5.Write(b)
	return m.sha1.Write(b)
}

func (m md5sha1) Sum(b []byte) []byte { return m.sha1.Sum(m.md5.Sum(b)) }

func (m md5sha1) Reset() {
	m.md5.Reset()
	m.sha1.Reset()
}

func (m md5sha1) Size() int      { return md5.Size + sha1.Size }
func (m md5sha1) BlockSize() int { return md5.BlockSize }

// shake is SHAKE with an output of a fixed size.
type shake struct {
	*sha3.SHAKE
	size int
}

func (s shake) Size() int { return s.size }

// Sum implements [hash.Hash]: it reads from a copy, so that more can be written.
func (s shake) Sum(b []byte) []byte {
	finished := *s.SHAKE
	n := len(b)
	b = slices.Grow(b, s.size)[:n+s.size]
	finished.Read(b[n:])
	return b
}
