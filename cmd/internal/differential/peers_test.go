package differential

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
)

// builtinMatcher returns a subject's matcher for one that comes with dwaar.
func builtinMatcher(name string) func(testing.TB) sdk.Matcher {
	return func(t testing.TB) sdk.Matcher {
		t.Helper()
		m, err := newBuiltin(&sdk.Node{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func newBuiltin(n *sdk.Node) (sdk.Matcher, error) {
	var r host.Registry
	builtin.Register(&r)
	return registered(&r, n)
}

func registered(r *host.Registry, n *sdk.Node) (sdk.Matcher, error) {
	for _, e := range r.Matchers() {
		if e.Spec.Name == n.Name {
			return e.New(&hosttest.Builder{}, n)
		}
	}
	return nil, errors.New("there is no such matcher")
}

// patience bounds how long a server may take for an answer. A server that waits for
// more bytes sees the end of them at once, so that nothing comes near it.
const patience = 10 * time.Second

// most is how many bytes of an answer are read.
const most = 4 << 10

// ask sends an input and the end of the stream to a server, and returns the answer up to
// its end, or as much of it as enough accepts.
func ask(t testing.TB, addr netip.AddrPort, input []byte, enough func([]byte) bool) []byte {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetLinger(0) // thousands of connections in TIME_WAIT help nobody
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(input); err == nil {
		_ = c.CloseWrite() // an error says that the server is gone: then there is no answer
	}
	answer, buf := []byte(nil), make([]byte, most)
	for len(answer) < most {
		n, err := c.Read(buf)
		answer = append(answer, buf[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("no end of the answer to %q: %q", input, answer)
		}
		if err != nil || enough != nil && enough(answer) {
			break
		}
	}
	return answer
}

// program starts a server that listens on an address of its own.
func program(t testing.TB, cmd func(addr netip.AddrPort) *exec.Cmd) netip.AddrPort {
	t.Helper()
	addr := realtest.FreeAddr(t)
	p := realtest.Start(t, cmd(addr))
	for {
		c, err := net.DialTimeout("tcp", addr.String(), patience)
		if err == nil {
			c.Close()
			return addr
		}
		select {
		case <-p.Done():
			t.Fatalf("it ended:\n%s", p.Output())
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("nobody listens")
		}
	}
}

// conn is a connection in memory: an input, and then the end of the stream.
type conn struct {
	in      *bytes.Reader
	reading func(size int) // called for each read; may be nil
	mu      sync.Mutex
	out     []byte
	closed  chan struct{}
	once    sync.Once
}

func newConn(input []byte) *conn {
	return &conn{in: bytes.NewReader(input), closed: make(chan struct{})}
}

func (c *conn) Read(b []byte) (int, error) {
	if c.reading != nil {
		c.reading(len(b))
	}
	return c.in.Read(b)
}

func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, b...)
	return len(b), nil
}

func (c *conn) written() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.out)
}

func (c *conn) Close() error        { c.once.Do(func() { close(c.closed) }); return nil }
func (c *conn) CloseWrite() error   { return c.Close() } // net/http waits behind it
func (c *conn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (c *conn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// pair writes a certificate for localhost and its key to files.
func pair(t testing.TB, key crypto.Signer) (certFile, keyFile string) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func rsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
