package proxyheader_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"dwaar.dev/dwaar/builtin/proxyheader"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// receivers are programs that take a header off a connection. Each reports whether it
// goes on with what follows.
func receivers(t *testing.T) map[string]func(header string) bool {
	return map[string]func(string) bool{
		"haproxy": haproxy(t),
		"nginx":   nginx(t),
		"go-proxyproto": func(header string) bool {
			_, err := proxyproto.Read(bufio.NewReader(strings.NewReader(header + "hello")))
			return err == nil
		},
	}
}

// haproxy answers an HTTP request behind the header.
func haproxy(t *testing.T) func(string) bool {
	t.Helper()
	addr := realtest.FreeAddr(t)
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, config, fmt.Sprintf(`
defaults
	mode http
	timeout client 10s
	timeout connect 10s
	timeout server 10s
frontend in
	bind %s accept-proxy
	http-request return status 200 content-type text/plain string taken
`, addr))
	p := realtest.Start(t, exec.Command(realtest.Look(t, "haproxy"), "-f", config, "-db"))
	return asking(t, p, addr.String(), "GET / HTTP/1.0\r\n\r\n")
}

// nginx greets whoever sent a header.
func nginx(t *testing.T) func(string) bool {
	t.Helper()
	program, addr, dir := realtest.Look(t, "nginx"), realtest.FreeAddr(t), t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	write(t, config, fmt.Sprintf(`
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off;
pid %s/pid; error_log /dev/null;
events {}
stream { server { listen %s proxy_protocol; return taken; } }
`, dir, addr))
	p := realtest.Start(t, exec.Command(program, "-p", dir, "-c", config, "-e", "stderr"))
	return asking(t, p, addr.String(), "")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// asking returns how a receiver at addr is asked: it answers "taken", or closes.
func asking(t *testing.T, p *realtest.Process, addr, request string) func(string) bool {
	t.Helper()
	ask := func(header string) (string, error) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return "", err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return "", err
		}
		if _, err := io.WriteString(c, header+request); err != nil {
			return "", nil // it closed before it had read all
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			return "", nil
		}
		answer, _ := io.ReadAll(c) // a reset is no answer
		return string(answer), nil
	}
	for {
		if _, err := ask(""); err == nil {
			break
		}
		select {
		case <-p.Done():
			t.Fatalf("the receiver ended:\n%s", p.Output())
		default:
		}
	}
	return func(header string) bool {
		answer, err := ask(header)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(answer, "taken")
	}
}

// TestNoReceiverTakesWhatIsNo asks real receivers: what any of them goes on with is not
// No.
func TestNoReceiverTakesWhatIsNo(t *testing.T) {
	t.Parallel()
	all := receivers(t)
	for name, takes := range all {
		if !takes("PROXY TCP4 127.0.0.1 127.0.0.1 1234 80\r\n") {
			t.Errorf("%s takes no header at all", name)
		}
	}
	v4 := "\x7f\x00\x00\x01\x7f\x00\x00\x01\x04\xd2\x00\x50"
	var headers []string
	for _, line := range []string{
		"TCP4 127.0.0.1 127.0.0.1 1234 80", "TCP6 ::1 ::1 1234 80", "TCP4 ::1 ::1 1234 80", "TCP6 127.0.0.1 127.0.0.1 1234 80",
		"UNKNOWN", "UNKNOWN ff x", "UNKNOWNx", "UNKNOWN a\rb", "UNKNOWN" + strings.Repeat("x", 92), "UNKNOWN" + strings.Repeat("x", 93),
		"TCP4 127.0.0.1 127.0.0.1 70000 80", "TCP4 127.0.0.1 127.0.0.1 0001 0080", "TCP4 127.0.0.1 127.0.0.1 -1 80",
		"TCP4 127.0.0.1 127.0.0.1", "TCP4 127.0.0.1 127.0.0.1 1", "TCP4  127.0.0.1 127.0.0.1 1 2", "TCP4 127.0.0.1 127.0.0.1 1 2 ",
		"TCP4 127.000.000.001 127.0.0.1 1 2", "UDP4 127.0.0.1 127.0.0.1 1 2", "tcp4 127.0.0.1 127.0.0.1 1 2",
		"TCP5 127.0.0.1 127.0.0.1 1 2", "TCP6 fe80::1%eth0 ::1 1 2", "TCP4 localhost 127.0.0.1 1 2", "TCP4\t127.0.0.1 127.0.0.1 1 2",
	} {
		headers = append(headers, "PROXY "+line+"\r\n", "PROXY "+line+"\n", "PROXY "+line+"\r\r\n")
	}
	for _, command := range []string{"\x11", "\x20", "\x21", "\x22", "\x2f", "\x31"} {
		for _, family := range []string{"\x00", "\x01", "\x10", "\x11", "\x12", "\x13", "\x21", "\x22", "\x31", "\x32", "\x41", "\xff"} {
			for _, rest := range []string{"", v4[1:], v4, v4 + v4 + v4[1:], v4 + v4 + v4, strings.Repeat("\x00", 216)} {
				headers = append(headers, sig+command+family+"\x00"+string([]byte{byte(len(rest))})+rest)
			}
		}
	}
	for _, header := range headers {
		f := matchtest.TCP()
		f.Head = []byte(header)
		v := matchtest.Ask(proxyheader.Matcher{}, &f).Answer.Verdict
		for name, takes := range all {
			if v == sdk.No && takes(header) {
				t.Errorf("%q: no, but %s takes it", header, name)
			}
		}
	}
}
