package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/realtest"
)

// site is an HTTP server that says its name.
func site(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "this is %s, asked for %s", name, r.Host)
	}))
	t.Cleanup(s.Close)
	return s
}

// h2c is a site that speaks HTTP/2 without TLS as well.
func h2c(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "this is web, over %s", r.Proto)
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// secureSite is one that terminates TLS itself.
func secureSite(t *testing.T, name, cert, key string) *httptest.Server {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "this is %s, over %s", name, tls.VersionName(r.TLS.Version))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// mailServer speaks first, as SMTP does (RFC 5321, section 3.1).
func mailServer(t *testing.T) net.Addr {
	t.Helper()
	return listen(t, func(c net.Conn) {
		c.SetDeadline(realtest.Deadline(t))
		fmt.Fprint(c, "220 mail.example.com ESMTP\r\n")
		line, _ := bufio.NewReader(c).ReadString('\n')
		if strings.HasPrefix(line, "QUIT") {
			fmt.Fprint(c, "221 bye\r\n")
		}
	})
}

func hostPort(s *httptest.Server) string { return s.Listener.Addr().String() }

func TestOnePortServesManyProtocolsAtOnce(t *testing.T) {
	t.Parallel()
	curl := realtest.Look(t, "curl")
	sshd, postgres := realtest.StartSSHD(t), realtest.StartPostgres(t)
	cert, key := certificate(t, "app.example.com")
	passCert, passKey := certificate(t, "pass.example.com")
	app, web := site(t, "app"), site(t, "web")
	pass := secureSite(t, "pass", passCert, passKey)
	mail := mailServer(t)
	s := serve(t, fmt.Sprintf(`{
	certificate app.example.com %s %s
}
layer4 {
	127.0.0.1:0 {
		matching_timeout 6s
		@app tls sni app.example.com
		@pass tls sni pass.example.com
		@ssh ssh
		@pg postgres
		@web http
		route @app {
			tls
			proxy %s
		}
		route @pass {
			proxy %s
		}
		route @ssh {
			proxy %s
		}
		route @pg {
			proxy %s
		}
		route @web {
			proxy %s
		}
		route {
			proxy %s
		}
	}
}
`, cert, key, hostPort(app), hostPort(pass), sshd.Addr, postgres.Addr, hostPort(web), mail))
	addr := s.addr()
	port := fmt.Sprint(addr.Port())

	said := func(want string, cmd *exec.Cmd) func(*testing.T) {
		return func(t *testing.T) {
			t.Parallel()
			out, err := realtest.Run(t, cmd)
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
			}
		}
	}
	get := func(ca, name, scheme string) *exec.Cmd {
		return exec.Command(curl, "-sS", "--cacert", ca, "--resolve", name+":"+port+":127.0.0.1",
			scheme+"://"+name+":"+port+"/")
	}
	for range 3 { // all of them, and several of each, at the same time
		t.Run("ssh", said("from ssh", sshd.Command(t, addr, "echo", "from", "ssh")))
		t.Run("postgres in clear", said("42", postgres.Command(t, addr, "disable", "select 6*7")))
		t.Run("postgres over TLS passed through", said("42", postgres.Command(t, addr, "require", "select 6*7")))
		t.Run("TLS terminated", said("this is app, asked for app.example.com", get(cert, "app.example.com", "https")))
		t.Run("TLS passed through", said("this is pass, over TLS 1.3", get(passCert, "pass.example.com", "https")))
		t.Run("HTTP", said("this is web, asked for web.example.com", get(cert, "web.example.com", "http")))
		t.Run("a server that speaks first", func(t *testing.T) { t.Parallel(); greeted(t, addr) })
		t.Run("a client that trickles", func(t *testing.T) { t.Parallel(); trickled(t, addr) })
		t.Run("a silent client", func(t *testing.T) { t.Parallel(); silent(t, addr) })
	}
}

func dial(t *testing.T, addr netip.AddrPort) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(realtest.Deadline(t))
	return c.(*net.TCPConn)
}

// greeted waits for the server's greeting before it says anything.
func greeted(t *testing.T, addr netip.AddrPort) {
	c := dial(t, addr)
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); line != "220 mail.example.com ESMTP\r\n" {
		t.Fatalf("greeted with %q, %v", line, err)
	}
	fmt.Fprint(c, "QUIT\r\n")
	if rest, err := io.ReadAll(r); string(rest) != "221 bye\r\n" || err != nil {
		t.Errorf("answered %q, %v", rest, err)
	}
}

// trickled sends a byte a second until it is nearly too late to be recognized, and
// again when it has been: the deadline of matching does not reach into the request.
func trickled(t *testing.T, addr netip.AddrPort) {
	c := dial(t, addr)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	const request = "GET / HTTP/1.0\r\nHost: web.example.com\r\n\r\n"
	const slow = 3
	parts := append(strings.Split(request[:slow], ""), request[slow:len(request)-slow])
	for _, part := range append(parts, strings.Split(request[len(request)-slow:], "")...) {
		<-tick.C
		if _, err := io.WriteString(c, part); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := io.ReadAll(c)
	if err != nil || !strings.Contains(string(answer), "this is web, asked for web.example.com") {
		t.Errorf("answered %q, %v", answer, err)
	}
}

// silent says nothing at all: the catch-all has it when its time is over.
func silent(t *testing.T, addr netip.AddrPort) {
	c := dial(t, addr)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "220 ") {
		t.Errorf("heard %q, %v", line, err)
	}
}
