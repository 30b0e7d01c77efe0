package openvpn_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/realtest"
)

// TestNoServerTakesWhatTheMatcherRefuses asks a real server about real packets, and
// about ones that are almost such. One that takes a packet acknowledges message 0;
// what it sends for a packet without that is the beginning of a session in which the
// packet has no part.
func TestNoServerTakesWhatTheMatcherRefuses(t *testing.T) {
	t.Parallel()
	program := realtest.Look(t, "openvpn")
	dir := credentials(t)
	type change = func(b []byte) []byte
	same := func(b []byte) []byte { return b }
	flip := func(i int) change {
		return func(b []byte) []byte { b[(i+len(b))%len(b)] ^= 1; return b }
	}
	set := func(i int, bytes ...byte) change {
		return func(b []byte) []byte { copy(b[i:], bytes); return b }
	}
	add := func(bytes ...byte) change {
		return func(b []byte) []byte { return append(b, bytes...) }
	}
	cut := func(n int) change {
		return func(b []byte) []byte { return b[:len(b)-n] }
	}
	plain, auth := []string{}, []string{"--auth", "SHA256", "--tls-auth", flightDir + "group.key", "0"}
	crypt, crypt2 := []string{"--tls-crypt", flightDir + "group.key"}, []string{"--tls-crypt-v2", flightDir + "server.key"}
	keys := []string{group, server, anyTime}
	for _, c := range []struct {
		name, flight string
		change       change
		options      []string
		lines        []string
		says, server string
	}{
		{"a plain reset", "plain-tcp", same, plain, []string{"modes plain"}, "yes", "takes it"},
		{"the reset of old clients", "plain-tcp", set(0, 1<<3), plain, []string{"modes plain"}, "yes", "refuses it"},
		{"another key id", "plain-tcp", flip(0), plain, []string{"modes plain"}, "no", "refuses it"},
		{"a server's reset", "plain-tcp", set(0, 8<<3), plain, []string{"modes plain"}, "no", "refuses it"},
		{"tls-crypt-v2 without a key", "plain-tcp", set(0, 10<<3), plain, []string{"modes plain crypt2"}, "no", "refuses it"},
		{"no session", "plain-tcp", set(1, make([]byte, 8)...), plain, []string{"modes plain"}, "no", "refuses it"},
		{"an acknowledgement", "plain-tcp", set(9, 1), plain, []string{"modes plain"}, "no", "refuses it"},
		{"message 1", "plain-tcp", set(13, 1), plain, []string{"modes plain"}, "no", "refuses it"},
		{"message 2^24", "plain-tcp", set(10, 1), plain, []string{"modes plain"}, "no", "refuses it"},
		{"half a message id", "plain-tcp", cut(2), plain, []string{"modes plain"}, "no", "refuses it"},
		{"a field", "plain-tcp", add(0, 1, 0, 2, 0, 0), plain, []string{"modes plain"}, "unknown", "takes it"},
		{"two fields nobody knows", "plain-tcp", add(0, 9, 0, 0, 0, 8, 0, 1, 7), plain, []string{"modes plain"}, "unknown", "takes it"},
		{"a piece of a field", "plain-tcp", add(0, 1, 0), plain, []string{"modes plain"}, "no", "gives up"},
		{"a field beyond the end", "plain-tcp", add(0, 1, 0, 3, 0, 0), plain, []string{"modes plain"}, "no", "gives up"},

		{"tls-auth", "auth-sha256-tcp", same, auth, keys, "yes", "takes it"},
		{"tls-auth with another HMAC", "auth-sha256-tcp", flip(20), auth, keys, "no", "refuses it"},
		{"tls-auth with another time", "auth-sha256-tcp", flip(-6), auth, keys, "no", "refuses it"},
		{"tls-auth with another session", "auth-sha256-tcp", flip(5), auth, keys, "no", "refuses it"},
		{"tls-auth without protection", "plain-tcp", same, auth, []string{"modes auth crypt", group, anyTime}, "no", "refuses it"},
		{"tls-crypt", "crypt-tcp", same, crypt, keys, "yes", "takes it"},
		{"tls-crypt with another tag", "crypt-tcp", flip(20), crypt, keys, "no", "refuses it"},
		{"tls-crypt with another text", "crypt-tcp", flip(-1), crypt, keys, "no", "refuses it"},
		{"tls-crypt without a text", "crypt-tcp", cut(5), crypt, keys, "no", "refuses it"},
		{"tls-auth instead of tls-crypt", "auth-sha256-tcp", same, crypt, []string{"modes crypt", group, anyTime}, "no", "refuses it"},
		{"tls-crypt-v2", "crypt2-tcp", same, crypt2, keys, "yes", "takes it"},
		{"tls-crypt-v2 with another wrapped key", "crypt2-tcp", flip(100), crypt2, keys, "no", "refuses it"},
		{"tls-crypt-v2 with another length of it", "crypt2-tcp", flip(-1), crypt2, keys, "no", "refuses it"},
		{"tls-crypt-v2 with another text", "crypt2-tcp", flip(52), crypt2, keys, "no", "refuses it"},
		{"tls-crypt-v2 for another server", "crypt2-tcp", same, []string{"--tls-crypt-v2", flightDir + "other-server.key"}, []string{otherServer, anyTime}, "no", "refuses it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := c.change(bytes.Clone(load(t, c.flight).packet()))
			f := flight{"changed-tcp", append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...)}
			if got := ask(build(t, c.lines...), f); got != c.says {
				t.Errorf("the matcher says %s, want %s", got, c.says)
			}
			if got := judge(t, serve(t, program, dir, c.options), f.bytes, c.server == "gives up"); got != c.server {
				t.Errorf("the server %s, want: %s", got, c.server)
			}
		})
	}
}

// serve starts a server that comes to us: which side connects has nothing to do with
// which one serves.
func serve(t *testing.T, program, dir string, options []string) net.Conn {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	limit := realtest.Deadline(t)
	if err := l.SetDeadline(limit); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{
		"--tls-server", "--dev", "null", "--dh", "none", "--verb", "3",
		"--proto", "tcp4-client", "--remote", "127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port),
		"--ca", filepath.Join(dir, "cert"), "--cert", filepath.Join(dir, "cert"), "--key", filepath.Join(dir, "key"),
	}, options...)...)
	realtest.Start(t, cmd)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(limit); err != nil {
		t.Fatal(err)
	}
	return c
}

// judge says what the server does with a packet: it acknowledges message 0, closes the
// connection, or sends its own reset a second time without an acknowledgement.
func judge(t *testing.T, c net.Conn, packet []byte, toTheEnd bool) string {
	t.Helper()
	if _, err := c.Write(packet); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		said, err := receive(c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server says nothing")
		}
		if err != nil {
			return "refuses it"
		}
		if !acknowledges(said) {
			continue
		}
		if !toTheEnd {
			return "takes it"
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			return "takes it"
		}
		return "gives up"
	}
	return "refuses it"
}

func receive(r io.Reader) ([]byte, error) {
	size := make([]byte, 2)
	if _, err := io.ReadFull(r, size); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(size))
	_, err := io.ReadFull(r, packet)
	return packet, err
}

// acknowledges reports whether a packet of a server acknowledges message 0. The
// server's own reset is as long as a client's; an acknowledgement has 12 bytes more in
// it, or 8 more alone. HMAC or tag with what guards against replays have 40.
func acknowledges(packet []byte) bool {
	const reset, protection = 14, 40
	switch len(packet) {
	case reset + 8, reset + 12:
		return bytes.Equal(packet[9:14], []byte{1, 0, 0, 0, 0})
	case reset + 8 + protection, reset + 12 + protection:
		return true
	}
	return false
}

// credentials makes the certificate that a server needs to start.
func credentials(t *testing.T) (dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: cert}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
