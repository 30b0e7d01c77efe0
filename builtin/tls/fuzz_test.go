package tls_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	cryptotls "crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func FuzzTLS(f *testing.F) {
	var seeds [][]byte
	for _, name := range []string{"chromium", "go-ech", "openssl-tls12", "openssl-bad-name", "gnutls-no-extensions"} {
		seeds = append(seeds, flight(f, name), reframe(flight(f, name), 1, 3, 50))
	}
	matchtest.Fuzz(f, seeds,
		matcher(f),
		matcher(f, []string{"sni", "*.example.com", "192.0.2.1"}),
		matcher(f, []string{"sni_regexp", `^[a-z]+\.example\.com$`}, []string{"alpn", "h2"}, []string{"version", "tls1.3"}, []string{"ja4"}),
	)
}

// FuzzAgainstCryptoTLS looks for a hello that the server of crypto/tls answers, and
// that the matcher does not take, or in which it finds something else.
func FuzzAgainstCryptoTLS(f *testing.F) {
	for _, name := range []string{"chromium", "go-ech", "go-tls12", "curl-h2", "gnutls", "openssl-bad-name", "openssl-tls10", "openssl-final-dot"} {
		f.Add(flight(f, name)[5:], []byte{4, 200})
	}
	config := serverConfig(f)
	m := matcher(f)
	f.Fuzz(func(t *testing.T, msg, cuts []byte) {
		var sizes []int
		for _, n := range cuts[:min(len(cuts), 8)] {
			sizes = append(sizes, int(n))
		}
		head := reframe(append(make([]byte, 5), msg...), sizes...)
		hello := answered(config, head)
		if hello == nil {
			return
		}
		flow := matchtest.TCP()
		flow.Head, flow.MaxHead = head, 1<<20
		got := matchtest.Ask(m, &flow)
		if got.Answer.Verdict != sdk.Yes {
			t.Fatalf("crypto/tls answers, the matcher says %v", got)
		}
		if want := strings.ToLower(hello.ServerName); isHostName(want) || got.Facts["server_name"] != "" {
			if diff := cmp.Diff(want, got.Facts["server_name"]); diff != "" {
				t.Fatalf("server name (-crypto/tls +got):\n%s", diff)
			}
		}
		if want := strings.Join(hello.SupportedProtos, ","); len(want) <= 1024 {
			if diff := cmp.Diff(want, got.Facts["alpn"]); diff != "" {
				t.Fatalf("alpn (-crypto/tls +got):\n%s", diff)
			}
		}
	})
}

func isHostName(name string) bool {
	if len(name) > 255 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return false
	}
	return !slices.Contains(strings.Split(name, "."), "")
}

func TestCryptoTLSAnswersTheSamplesThatTheFuzzTargetStartsFrom(t *testing.T) {
	t.Parallel()
	config := serverConfig(t)
	for _, name := range []string{"chromium", "go-ech", "curl-h2"} {
		hello := answered(config, reframe(flight(t, name), 4, 200))
		if hello == nil {
			t.Errorf("%s is not answered", name)
		}
	}
	if answered(config, reframe(flight(t, "chromium")[:1000])) != nil {
		t.Error("half a hello is answered")
	}
}

// serverConfig is that of a server for any name and any version.
func serverConfig(tb testing.TB) *cryptotls.Config {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return &cryptotls.Config{
		Certificates: []cryptotls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:   cryptotls.VersionTLS10,
	}
}

// answered returns what crypto/tls found in a hello, or nil if it does not answer
// it with a handshake message.
func answered(config *cryptotls.Config, head []byte) *cryptotls.ClientHelloInfo {
	var hello *cryptotls.ClientHelloInfo
	config = config.Clone()
	config.GetConfigForClient = func(info *cryptotls.ClientHelloInfo) (*cryptotls.Config, error) {
		hello = info
		return nil, nil
	}
	c := &once{in: bytes.NewReader(head)}
	_ = cryptotls.Server(c, config).Handshake() // it ends where the bytes end
	if len(c.out) == 0 || c.out[0] != 0x16 {
		return nil
	}
	return hello
}

// once is a connection from which some bytes can be read, and then nothing.
type once struct {
	net.Conn // none: a call of another method is a fault of the test
	in       io.Reader
	out      []byte
}

func (o *once) Read(b []byte) (int, error)  { return o.in.Read(b) }
func (o *once) Write(b []byte) (int, error) { o.out = append(o.out, b...); return len(b), nil }
func (o *once) Close() error                { return nil }

func (o *once) SetDeadline(time.Time) error      { return nil }
func (o *once) SetReadDeadline(time.Time) error  { return nil }
func (o *once) SetWriteDeadline(time.Time) error { return nil }

func BenchmarkPostQuantumHelloWithName(b *testing.B) {
	benchmark(b, matcher(b, []string{"sni", "pq.example.com"}))
}

func BenchmarkTenMatchersParseOnce(b *testing.B) {
	var ms []sdk.Matcher
	for range 9 {
		ms = append(ms, matcher(b, []string{"sni", "*.other.example", "another.example"}))
	}
	benchmark(b, append(ms, matcher(b, []string{"sni", "pq.example.com"}))...)
}

func BenchmarkFingerprint(b *testing.B) {
	benchmark(b, matcher(b, []string{"ja4"}))
}

func BenchmarkImpossible(b *testing.B) {
	m, f := matcher(b), matchtest.TCP()
	f.Head = []byte("GET / HTTP/1.1\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := m.Match(&f); v != sdk.No {
			b.Fatal(v)
		}
	}
}

// benchmark asks all matchers about one hello after another; the last says Yes.
func benchmark(b *testing.B, ms ...sdk.Matcher) {
	f, head := matchtest.TCP(), flight(b, "go-post-quantum")
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(head)
		var v sdk.Verdict
		for _, m := range ms {
			v, _ = m.Match(&f)
		}
		if v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
