package proxy

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkerOf makes the checker of a directive with one upstream.
func checkerOf(t *testing.T, text string) *checker {
	t.Helper()
	b := &builder{}
	if _, err := b.make(t, text, nil); err != nil {
		t.Fatal(err)
	}
	for _, a := range b.Actors() {
		if k, ok := a.(*checker); ok {
			return k
		}
	}
	t.Fatal("nothing checks")
	return nil
}

// watched is a server that tells how each connection ended.
func watched(t *testing.T, serve func(net.Conn)) (addr string, ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ends := make(chan error, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_, err = io.Copy(io.Discard, conn)
			ends <- err
			_ = conn.Close()
		}
	}()
	return l.Addr().String(), ends
}

// TestServersSeeChecksEndInOrder has servers that say what a check does not need: they get
// an end, and no reset.
func TestServersSeeChecksEndInOrder(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	secure := func(conn net.Conn) {
		c := tls.Server(conn, web.TLS)
		_, _ = io.WriteString(c, "220 hello\r\n") // behind session tickets
		_, _ = io.Copy(io.Discard, c)
		_ = c.CloseWrite()
	}
	answers := func(code, size int) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", code, size, strings.Repeat("x", size))
		}
	}
	for name, c := range map[string]struct {
		serve   func(net.Conn)
		options string
		fails   bool
	}{
		"a greeting":          {func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n") }, "health_interval 1h", false},
		"TLS and a greeting":  {secure, "health_tls {\ntls_insecure_skip_verify\n}", false},
		"a page":              {answers(200, 1<<20), "health_uri /", false},
		"a page of an error":  {answers(503, 1<<20), "health_uri /", true},
		"nothing":             {func(net.Conn) {}, "health_interval 1h", false},
		"a PROXY header sent": {func(c net.Conn) { _, _ = io.WriteString(c, "hello") }, "health_interval 1h\nproxy_protocol v1", false},
	} {
		addr, ended := watched(t, c.serve)
		k := checkerOf(t, "proxy "+addr+" {\n"+c.options+"\n}")
		for range 3 {
			if err := k.check(t.Context()); (err != nil) != c.fails {
				t.Errorf("%s: %v", name, err)
			}
			if err := <-ended; err != nil {
				t.Errorf("%s: the server saw %v", name, err)
			}
		}
	}
}

func TestRequestsOfChecksNameWhomTheyAsk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, addr string
		secure     bool
		want       string
	}{
		{"app.example.com", "192.0.2.1:8080", false, "app.example.com:8080"},
		{"app.example.com", "192.0.2.1:80", false, "app.example.com"},
		{"app.example.com", "192.0.2.1:80", true, "app.example.com:80"},
		{"app.example.com", "192.0.2.1:443", true, "app.example.com"},
		{"app.example.com", "192.0.2.1:443", false, "app.example.com:443"},
		{"2001:db8::1", "[2001:db8::1]:8080", false, "[2001:db8::1]:8080"},
		{"fe80::1%eth0", "[fe80::1%eth0]:80", false, "[fe80::1]"},
		{"192.0.2.1", "192.0.2.1:81", false, "192.0.2.1:81"},
	} {
		p := place{network: "tcp", host: c.host, addr: netip.MustParseAddrPort(c.addr)}
		if diff := cmp.Diff(c.want, hostHeader(p, c.secure)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.addr, diff)
		}
	}
	if got := hostHeader(place{network: "unix", path: "/run/x", host: "localhost"}, false); got != "localhost" {
		t.Errorf("a Unix socket is asked for %q", got)
	}
}

func TestEveryAddressOfAnUpstreamIsAskedForItself(t *testing.T) {
	t.Parallel()
	var asked [2]atomic.Pointer[string]
	var addrs []string
	for i := range asked {
		web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked[i].Store(&r.Host) }))
		defer web.Close()
		addrs = append(addrs, strings.TrimPrefix(web.URL, "http://"))
	}
	k := checkerOf(t, "proxy {\nupstream {\ndial "+strings.Join(addrs, " ")+"\n}\nhealth_uri /\n}")
	if err := k.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(addrs, []string{*asked[0].Load(), *asked[1].Load()}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChecksByTLSOfUpstreamsWithout(t *testing.T) {
	t.Parallel()
	var asked atomic.Pointer[http.Request]
	web := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked.Store(r) }))
	defer web.Close()
	web.Config.ErrorLog = nil
	file := filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	up := serve(t, "plain")
	head := "proxy " + up.addr + " {\nhealth_uri /\nhealth_port " + port + "\n"
	for options, well := range map[string]bool{
		"":           false, // it asks for no TLS
		"health_tls": false, // nobody it trusts has signed
		"health_tls {\ntls_insecure_skip_verify\n}":                                    true,
		"health_tls {\ntls_trust_pool " + file + "\ntls_server_name example.com\n}":    true,
		"health_tls {\ntls_trust_pool " + file + "\n}":                                 true, // the certificate names 127.0.0.1
		"health_tls {\ntls_trust_pool " + file + "\ntls_server_name db.example.org\n}": false,
	} {
		err := checkerOf(t, head+options+"\n}").check(t.Context())
		var verify *tls.CertificateVerificationError
		if (err == nil) != well || strings.Contains(options, "health_tls") && !well && !errors.As(err, &verify) {
			t.Errorf("%q: %v", options, err)
		}
	}
	if r := asked.Load(); r.TLS == nil || r.Host != "127.0.0.1:"+port {
		t.Errorf("asked for %q", r.Host)
	}
	h := mustMake(t, head+"health_tls {\ntls_insecure_skip_verify\n}\n}")
	h.primaries[0].up.SetHealthy(true)
	if d, err := h.Plan(client("", nil), nil); err != nil || d.Secure != nil {
		t.Errorf("connections have no TLS because checks do: %v", err)
	}
}

func TestChecksOfUpstreamsWithTLSUseItsOptions(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	addr := web.Listener.Addr().String()
	for options, well := range map[string]bool{"tls": false, "tls_insecure_skip_verify": true} {
		k := checkerOf(t, "proxy {\nupstream "+addr+" {\n"+options+"\n}\nhealth_interval 1h\n}")
		if err := k.check(t.Context()); (err == nil) != well {
			t.Errorf("%s: %v", options, err)
		}
	}
}
