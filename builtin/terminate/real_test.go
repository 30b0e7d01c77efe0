package terminate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/share"
)

// relays is the next handler that a proxy would be.
func relays(upstream string) host.Next {
	return func(ctx context.Context, c host.Conn) error {
		var d net.Dialer
		up, err := d.DialContext(ctx, "tcp", upstream)
		if err != nil {
			return err
		}
		return c.Relay(relay.Endpoint{Conn: up}, relay.Options{Idle: limit, HalfClose: limit})
	}
}

// upstream accepts one connection and runs do with it.
func upstream(t *testing.T, do func(c *net.TCPConn) error) string {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		c, err := l.AcceptTCP()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(limit))
		done <- do(c)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		if err := <-done; err != nil {
			t.Errorf("the upstream: %v", err)
		}
	})
	return l.Addr().String()
}

// answers reads to the end and then says how much it was.
func answers(c *net.TCPConn) error {
	n, err := io.Copy(io.Discard, c)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c, "got %d bytes", n)
	return err
}

func TestEachSideMayFinishFirst(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	text := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	for name, c := range map[string]struct {
		upstream func(c *net.TCPConn) error
		client   func(c *tls.Conn) (string, error)
		want     string
	}{
		"the client": {
			answers,
			func(c *tls.Conn) (string, error) {
				if _, err := c.Write(text); err != nil {
					return "", err
				}
				if err := c.CloseWrite(); err != nil {
					return "", err
				}
				got, err := io.ReadAll(c)
				return string(got), err
			},
			"got 320000 bytes",
		},
		"the upstream": {
			func(c *net.TCPConn) error {
				if _, err := c.Write(text); err != nil {
					return err
				}
				if err := c.CloseWrite(); err != nil {
					return err
				}
				got, err := io.ReadAll(c)
				if string(got) != "thanks" {
					err = errors.Join(err, fmt.Errorf("got %q", got))
				}
				return err
			},
			func(c *tls.Conn) (string, error) {
				n, err := io.Copy(io.Discard, c)
				if err == nil {
					_, err = io.WriteString(c, "thanks")
				}
				return fmt.Sprint(n), errors.Join(err, c.CloseWrite())
			},
			"320000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := *k
			kit.T, kit.store = t, new(share.Store)
			s := kit.serve(own+"}\n}", relays(upstream(t, c.upstream)))
			conn, err := dial(t, s.Addr, k.config("a.example"))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.client(conn); got != c.want || err != nil {
				t.Errorf("the client got %q, %v", got, err)
			}
			if o := s.Outcome(t); o.Code.Why != host.Closed {
				t.Errorf("%v: %v", o.Code, o.Err)
			}
		})
	}
}

func TestAResetIsPassedOnInBothDirections(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	s := k.serve(own+"}\n}", relays(upstream(t, func(c *net.TCPConn) error {
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			return fmt.Errorf("the upstream of a client that was reset sees %w", err)
		}
		return nil
	})))
	socket := raw(t, s.Addr)
	conn := tls.Client(socket, k.config("a.example"))
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	_ = socket.SetLinger(0)
	_ = socket.Close()
	if o := s.Outcome(t); o.Code.String() != "client.relay.reset" {
		t.Errorf("%v: %v", o.Code, o.Err)
	}

	s = k.serve(own+"}\n}", relays(upstream(t, func(c *net.TCPConn) error {
		if _, err := io.ReadFull(c, make([]byte, len("hello"))); err != nil { // then the relay has it
			return err
		}
		_, err := io.WriteString(c, "part")
		_ = c.SetLinger(0)
		return err
	})))
	other, err := dial(t, s.Addr, k.config("a.example"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(other, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(other); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client of an upstream that was reset sees %v", err)
	}
	if o := s.Outcome(t); o.Code.String() != "upstream.relay.reset" {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
}

// sClient runs openssl s_client against a server.
func sClient(k *kit, s *hosttest.Server, stdin string, args ...string) (string, error) {
	k.Helper()
	args = append([]string{"s_client", "-connect", s.Addr, "-CAfile", filepath.Join(k.dir, "ca.pem"), "-verify_return_error"}, args...)
	cmd := exec.Command(realtest.Look(k, "openssl"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	return realtest.Run(k.T, cmd)
}

func TestOpenSSLTalksBothWaysAndHearsTheEnd(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		s := k.serve(own+"}\n}", relays(upstream(t, func(c *net.TCPConn) error {
			b := make([]byte, 5)
			if _, err := io.ReadFull(c, b); err != nil {
				return err
			}
			_, err := io.WriteString(c, "heard "+string(b)+"\n")
			return err
		})))
		// -quiet goes on reading when stdin has ended: until close_notify.
		out, err := sClient(k, s, "hello", "-servername", "a.example", "-quiet", version)
		if err != nil || !strings.Contains(out, "heard hello") || strings.Contains(out, "unexpected eof") {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
	}
}

func TestTheUpstreamHearsWhenOpenSSLEnds(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	got := make(chan string, 1)
	s := k.serve(own+"}\n}", relays(upstream(t, func(c *net.TCPConn) error {
		b, err := io.ReadAll(c)
		got <- string(b)
		return err
	})))
	if out, err := sClient(k, s, "the whole text", "-servername", "a.example"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if b := <-got; b != "the whole text" {
		t.Errorf("the upstream got %q", b)
	}
}

func TestOpenSSLSeesTheAlertForAnUnknownName(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	s := k.serve("{\ncertificate DIR/a.crt DIR/a.key\n}\nroute {\ntls\n}", nil)
	for _, args := range [][]string{{"-servername", "b.example"}, {"-noservername"}} {
		out, err := sClient(k, s, "", args...)
		if err == nil || !strings.Contains(out, "unrecognized name") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestOpenSSLProvesWhoItIsAndResumesItsSession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	k.client("known", "known")
	s := k.serve(own+"client_auth {\ntrust_pool DIR/ca.pem\n}\n}\n}", func(_ context.Context, c host.Conn) error {
		who, _ := c.Get("tls.client.subject")
		resumed, _ := c.Get("tls.resumed")
		_, err := fmt.Fprintf(c.Net(), "%s, resumed %s\n", who, resumed)
		return err
	})
	known := filepath.Join(k.dir, "known")
	session := filepath.Join(k.dir, "session")
	args := []string{"-servername", "a.example", "-quiet", "-cert", known + ".crt", "-key", known + ".key"}
	for _, c := range [][2]string{{"-sess_out", "CN=known,O=test, resumed false"}, {"-sess_in", "CN=known,O=test, resumed true"}} {
		if out, err := sClient(k, s, "", append(args, c[0], session)...); err != nil || !strings.Contains(out, c[1]) {
			t.Errorf("%s: %v, want %q\n%s", c[0], err, c[1], out)
		}
	}
}

func TestCurlReachesEachNameWithItsOwnCertificate(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("one", "one.example")
	k.pair("two", "two.example")
	k.trust("ca.pem")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s over %s", r.Host, r.Proto)
	}))
	t.Cleanup(web.Close)
	s := k.serve("{\ncertificate one.example DIR/one.crt DIR/one.key\ncertificate two.example DIR/two.crt DIR/two.key\n}\nroute {\ntls\n}",
		relays(web.Listener.Addr().String()))
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range []string{"one.example", "two.example", "three.example"} {
		curl := exec.Command(realtest.Look(t, "curl"), "--silent", "--show-error", "--noproxy", "*",
			"--cacert", filepath.Join(k.dir, "ca.pem"), "--resolve", name+":"+port+":127.0.0.1", "https://"+name+":"+port+"/")
		out, err := realtest.Run(t, curl)
		if err != nil && strings.Contains(out, "unrecognized name") {
			out = "refused"
		}
		got = append(got, strings.TrimSpace(strings.ReplaceAll(out, ":"+port, "")))
	}
	want := []string{"one.example over HTTP/1.1", "two.example over HTTP/1.1", "refused"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCurlTrustsTheInternalCAByItsFile(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome") }))
	t.Cleanup(web.Close)
	h, b, err := k.load("route {\ntls\n}")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for _, a := range b.Actors() { // the load makes the CA
		go func() { done <- a.Run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range b.Actors() {
			<-done
		}
	})
	s := hosttest.Serve(t, h, relays(web.Listener.Addr().String()))
	if _, err := talkOnce(s.Addr); err != nil { // the file is there now
		t.Fatal(err)
	}
	file := filepath.Join(os.Getenv("XDG_DATA_HOME"), "dwaar", "ca.crt")
	for _, url := range []string{"https://localhost:PORT/", "https://127.0.0.1:PORT/"} {
		_, port, _ := net.SplitHostPort(s.Addr)
		curl := exec.Command(realtest.Look(t, "curl"), "--silent", "--show-error", "--noproxy", "*", "-4", "--cacert", file,
			strings.ReplaceAll(url, "PORT", port))
		if out, err := realtest.Run(t, curl); err != nil || out != "welcome" {
			t.Errorf("%s: %v\n%s", url, err, out)
		}
	}
}

// talkOnce makes one handshake with whoever is there.
func talkOnce(addr string) (tls.ConnectionState, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: limit}, "tcp", addr, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
	if err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), conn.Close()
}
