package quic_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"testing"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// BenchmarkInitial asks about a hello in one datagram; BenchmarkBareWork is what of
// that cannot be avoided. The matcher is to take at most half as long again.
func BenchmarkInitial(b *testing.B) {
	benchmark(b, flights(b)["ngtcp2"], matcher(b))
}

func BenchmarkInitialWithName(b *testing.B) {
	benchmark(b, flights(b)["ngtcp2"], matcher(b, line("sni", "localhost")))
}

// BenchmarkPostQuantum asks about a hello in two datagrams, after each of them.
func BenchmarkPostQuantum(b *testing.B) {
	benchmark(b, flights(b)["quic-go"], matcher(b))
}

// BenchmarkScattered asks about a hello that chromium sends in many frames out of order.
func BenchmarkScattered(b *testing.B) {
	benchmark(b, flights(b)["chromium"], matcher(b))
}

func BenchmarkTenMatchersParseOnce(b *testing.B) {
	var ms []sdk.Matcher
	for range 9 {
		ms = append(ms, matcher(b, line("sni", "*.other.example", "another.example")))
	}
	benchmark(b, flights(b)["ngtcp2"], append(ms, matcher(b, line("sni", "localhost")))...)
}

func BenchmarkImpossible(b *testing.B) {
	m, f := matcher(b), session([]byte("GET / HTTP/1.1\r\n"))
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := m.Match(&f); v != sdk.No {
			b.Fatal(v)
		}
	}
}

// benchmark asks all matchers after each datagram; the last says Yes at the end.
func benchmark(b *testing.B, datagrams [][]byte, ms ...sdk.Matcher) {
	whole, f := session(datagrams...), matchtest.UDP()
	b.SetBytes(int64(len(whole.Head)))
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(nil)
		var v sdk.Verdict
		for n, end := range whole.Bounds {
			f.Head, f.Bounds = whole.Head[:end], whole.Bounds[:n+1]
			for _, m := range ms {
				v, _ = m.Match(&f)
			}
		}
		if v != sdk.Yes {
			b.Fatal(v)
		}
	}
}

// BenchmarkBareWork derives the keys of a client with crypto/hkdf, removes the header's
// protection and opens the payload, with all places known beforehand.
func BenchmarkBareWork(b *testing.B) {
	d := flights(b)["ngtcp2"][0]
	dcid, at := d[6:6+d[5]], headerLen(d)
	_, end := newSide(b, v1, dcid, "client in").open(d)
	salt := []byte("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a")
	header, plain := make([]byte, 0, 64), make([]byte, 0, len(d))
	b.SetBytes(int64(len(d)))
	b.ReportAllocs()
	for b.Loop() {
		extracted, _ := hkdf.Extract(sha256.New, dcid, salt)
		secret, _ := hkdf.Expand(sha256.New, extracted, "\x00\x20\x0ftls13 client in\x00", 32)
		key, _ := hkdf.Expand(sha256.New, secret, "\x00\x10\x0etls13 quic key\x00", 16)
		iv, _ := hkdf.Expand(sha256.New, secret, "\x00\x0c\x0dtls13 quic iv\x00", 12)
		hp, _ := hkdf.Expand(sha256.New, secret, "\x00\x10\x0dtls13 quic hp\x00", 16)
		block, _ := aes.NewCipher(key)
		aead, _ := cipher.NewGCM(block)
		protection, _ := aes.NewCipher(hp)
		var mask [16]byte
		protection.Encrypt(mask[:], d[at+4:at+20])
		first := d[0] ^ mask[0]&0x0f
		n := int(first&3) + 1
		header = append(header[:0], d[:at+n]...)
		header[0] = first
		for i := range n {
			header[at+i] ^= mask[1+i]
			iv[12-n+i] ^= header[at+i]
		}
		if _, err := aead.Open(plain, iv, d[at+n:end], header); err != nil {
			b.Fatal(err)
		}
	}
}

// headerLen returns where the packet number begins.
func headerLen(d []byte) int {
	at := 6 + int(d[5])
	at += 1 + int(d[at])
	token, n := readVarint(d[at:])
	at += n + token
	_, n = readVarint(d[at:])
	return at + n
}
