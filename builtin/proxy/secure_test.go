package proxy

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host"
	"github.com/pires/go-proxyproto"

	"dwaar.dev/dwaar/host/hosttest"
)

// secureServer is an upstream with TLS: it answers with the name it was asked for,
// and then echoes. Its authority's certificate is in the file.
func secureServer(t testing.TB) (addr, file string) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil) // for its certificate, which is for example.com and 127.0.0.1
	web.StartTLS()
	web.Close()
	file = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.TLS.Certificates[0].Certificate[0]})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				secure := tls.Server(conn, &tls.Config{Certificates: web.TLS.Certificates})
				defer secure.Close()
				if secure.Handshake() != nil {
					return
				}
				_, _ = io.WriteString(secure, secure.ConnectionState().ServerName+":")
				_, _ = io.Copy(secure, secure)
			}()
		}
	}()
	return l.Addr().String(), file
}

func TestTLSToTheUpstreamVerifiesItsName(t *testing.T) {
	t.Parallel()
	addr, ca := secureServer(t)
	_, port, _ := strings.Cut(addr, ":")
	for _, c := range []struct{ to, options, want string }{
		{addr, "tls\ntls_trust_pool " + ca, ":hello"}, // an address is not sent as a name
		{addr, "tls\ntls_trust_pool " + ca + "\ntls_server_name example.com", "example.com:hello"},
		{"example.com:" + port, "tls\ntls_trust_pool " + ca, "example.com:hello"},
		{addr, "tls\ntls_insecure_skip_verify\ntls_server_name other.test\ntls_curves x25519", "other.test:hello"},
		{addr, "tls_trust_pool " + ca + "\ntls_server_name example.com", "example.com:hello"}, // TLS goes without saying
		{addr, "tls_insecure_skip_verify", ":hello"},
		{addr, "tls\ntls_trust_pool " + ca + "\ntls_server_name other.test", ""},
		{addr, "tls", ""},
	} {
		look := func(context.Context, string, string) ([]netip.Addr, error) { return addrs("127.0.0.1"), nil }
		h, err := (&builder{}).make(t, "proxy {\nupstream "+c.to+" {\n"+c.options+"\n}\n}", look)
		if err != nil {
			t.Fatal(err)
		}
		s := hosttest.Serve(t, h, nil)
		if got := exchange(t, s.Addr, "hello"); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.to, c.options, got, c.want)
		}
		o := s.Outcome(t)
		if c.want == "" && (o.Code.String() != "upstream.connect.refused" || h.primaries[0].up.State().Failures != 1) {
			t.Errorf("%s: ended %v, %v", c.options, o.Code, o.Err)
		}
		if n := h.primaries[0].up.Conns(); n != 0 {
			t.Errorf("%d are left", n)
		}
	}
}

func TestTheServerNameMayComeFromAFactAndChangesNoOtherConnection(t *testing.T) {
	t.Parallel()
	addr, _ := secureServer(t)
	h := mustMake(t, "proxy {\nupstream "+addr+" {\ntls\ntls_insecure_skip_verify\ntls_server_name {vars.name}\n}\n}")
	names := make(chan string, 2)
	s := hosttest.Serve(t, handler(func(ctx context.Context, c host.Conn, next host.Next) error {
		c.Put("vars", "name", <-names)
		return h.Handle(ctx, c, next)
	}), nil)
	for _, name := range []string{"one.test", "two.test"} {
		names <- name
		if got := exchange(t, s.Addr, "x"); got != name+":x" {
			t.Errorf("got %q", got)
		}
		s.Outcome(t)
	}
	names <- "not a name"
	exchange(t, s.Addr, "")
	if o := s.Outcome(t); o.Err == nil || !strings.Contains(o.Err.Error(), "is no host name") {
		t.Errorf("ended %v", o.Err)
	}
	if h.primaries[0].dialer.secured.config.ServerName != "" {
		t.Error("a connection changed the configuration")
	}
}

func TestPortsMayBeExceptedFromTLS(t *testing.T) {
	t.Parallel()
	up := serve(t, "plain")
	_, port, _ := strings.Cut(up.addr, ":")
	h := mustMake(t, "proxy {\nupstream "+up.addr+" {\ntls\ntls_except_ports "+port+"\n}\n}")
	s := hosttest.Serve(t, h, nil)
	if got := exchange(t, s.Addr, ""); got != "plain" {
		t.Errorf("got %q", got)
	}
}

func TestAHandshakeThatNeverEndsIsCut(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := mustMake(t, "proxy {\nupstream "+l.Addr().String()+" {\ntls\ntls_timeout 20ms\n}\n}")
	s := hosttest.Serve(t, h, nil)
	exchange(t, s.Addr, "")
	if o := s.Outcome(t); o.Code.String() != "upstream.connect.timeout" {
		t.Errorf("ended %v: %v", o.Code, o.Err)
	}
}

func TestTheHeaderComesBeforeTLS(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 16+12+1)
		_, _ = io.ReadFull(conn, b)
		got <- string(b)
	}()
	h := mustMake(t, "proxy {\nproxy_protocol v2\nupstream "+l.Addr().String()+" {\ntls\n}\n}")
	s := hosttest.Serve(t, h, nil)
	exchange(t, s.Addr, "")
	const handshake = "\x16"
	if b := <-got; !strings.HasPrefix(b, string(proxyproto.SIGV2)) || !strings.HasSuffix(b, handshake) {
		t.Errorf("the upstream got %q", b)
	}
}
