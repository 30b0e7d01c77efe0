package differential

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
)

func httpSubject() subject {
	h1 := func(name string) bool { return !isHTTP2(name) }
	return subject{
		name:     "http",
		matcher:  builtinMatcher("http"),
		captures: "testdata/flights/http/*.bin",
		change:   changeHTTP,
		option:   httpOption,
		refused:  []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
		servers: []server{
			{name: "net-http", start: netHTTP, asks: 4_000},
			{name: "nginx", start: nginx, asks: 2_000, seeds: func(name string) bool { return h1(name) && name != "curl-connect" }},
			{name: "haproxy", start: haproxy, asks: 2_000},
		},
	}
}

// isHTTP2 reports whether a capture is of HTTP/2 without TLS.
func isHTTP2(name string) bool {
	return strings.HasPrefix(name, "nghttp") || name == "curl-http2" || name == "node-http2" || name == "grpc-python"
}

// httpOption makes the matcher of a host, a path or a method.
func httpOption(name, value string) sdk.Matcher {
	if value == "PRI" { // what a server of HTTP/1 alone makes of the preface of HTTP/2
		return nil
	}
	if strings.ContainsAny(value, "*{") || name == "path" && !cleanPath.MatchString(value) {
		return nil
	}
	m, err := newBuiltin(&sdk.Node{Name: "http", Block: []sdk.Node{{Name: name, Args: []sdk.Word{{Text: value}}}}})
	if err != nil {
		return nil
	}
	return m
}

// cleanPath is what a guard names: a path that any server reads alike.
var cleanPath = regexp.MustCompile(`^(/[a-z0-9_-]+)+/?$|^/$`)

// understood is what the servers answer: that they understood a request, and how.
var understood = regexp.MustCompile(`(?s)understood \[(.*?)\] \[(.*?)\] \[([^\r\n]*)\](?:\r\n|$)`)

// saidHTTP reads an answer. Of one that a server refuses to read there is nothing: it
// closes, or answers 400, 408 or 505.
func saidHTTP(answer []byte) said {
	s := said{answer: answer}
	if m := understood.FindSubmatch(answer); m != nil {
		s.goesOn = true
		s.facts = map[string]string{"method": string(m[1]), "path": string(m[3])}
		if host := bareHost(string(m[2])); host != "" {
			s.facts["host"] = host
		}
		return s
	}
	status, _, _ := bytes.Cut(bytes.TrimPrefix(answer, []byte("HTTP/1.1 ")), []byte(" "))
	switch string(status) {
	case "100", "101", "200", "204", "403", "404", "405", "411", "413", "414", "431", "501":
		s.goesOn = true
	}
	return s
}

// bareHost returns a host without its port.
func bareHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(host, "[]")
}

// netHTTP is the server of net/http, without HTTP/2.
func netHTTP(t testing.TB) judge {
	l := &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Understood", fmt.Sprintf("understood [%s] [%s] [%s]", r.Method, r.Host, r.URL.Path))
	})}
	go srv.Serve(l) //nolint:errcheck // it ends with the listener
	t.Cleanup(func() { srv.Close() })
	return func(_ testing.TB, input []byte) said {
		c := newConn(input)
		l.conns <- c
		<-c.closed
		return saidHTTP(c.written())
	}
}

// memory is a listener for connections in memory.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *memory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, errors.New("closed")
	}
}

func (l *memory) Close() error { close(l.closed); return nil }

func (l *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func httpProgram(t testing.TB, name, config string, args ...string) judge {
	path, dir := realtest.Look(t, name), t.TempDir()
	addr := program(t, func(addr netip.AddrPort) *exec.Cmd {
		file := filepath.Join(dir, name+".conf")
		text := strings.NewReplacer("ADDR", addr.String(), "DIR", dir).Replace(config)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(path, append(args, file)...)
	})
	return func(t testing.TB, input []byte) said {
		answer := ask(t, addr, input, nil)
		if len(answer) > 9 && answer[3] == 4 && answer[0] == 0 { // SETTINGS: the preface was taken
			return said{goesOn: true, answer: answer}
		}
		return saidHTTP(answer)
	}
}

func nginx(t testing.TB) judge {
	return httpProgram(t, "nginx", `daemon off;
master_process off;
pid DIR/pid;
error_log stderr crit;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	keepalive_timeout 0;
	server {
		listen ADDR;
		default_type text/plain;
		location / { return 200 "understood [$request_method] [$host] [$uri]"; }
	}
}
`, "-e", "stderr", "-c")
}

func haproxy(t testing.TB) judge {
	return httpProgram(t, "haproxy", `defaults
	mode http
	timeout client 5s
	timeout connect 5s
	timeout server 5s
frontend all
	bind ADDR
	http-request return status 200 content-type text/plain lf-string "understood [%[method]] [%[req.hdr(host)]] [%[path]]"
`, "-db", "-f")
}

// changeHTTP writes a request of odd parts, or scrambles a capture.
func changeHTTP(r *rand.Rand, capture []byte) []byte {
	var input []byte
	if head, rest, ok := bytes.Cut(capture, []byte("\r\n")); ok && chance(r, 3) {
		input = append(oddLine(r, string(head)), rest...)
	} else if chance(r, 3) {
		input = bytes.Clone(capture)
	} else {
		input = append(oddLine(r, "GET / HTTP/1.1"), oddFields(r)...)
	}
	if chance(r, 3) {
		input = scramble(r, input)
	}
	return input
}

// oddLine writes a request line; it holds the parts of another at times.
func oddLine(r *rand.Rand, line string) []byte {
	words := strings.Fields(line)
	if len(words) != 3 {
		words = []string{"GET", "/", "HTTP/1.1"}
	}
	often := func(usual string, odd ...string) string {
		if !chance(r, 3) {
			return usual
		}
		return odd[r.IntN(len(odd))]
	}
	long := func(b string) string { return strings.Repeat(b, pick(r, 20, 31, 32, 33, 34, 64, 300, 5000)) }
	before := often("", "\r\n", "\n", "\r\n\r\n", "\n\n\n", "\r", "\r\r\n", " ", "\t", "\x00", "\r\n \r\n", strings.Repeat("\r\n", 50))
	method := often(words[0], "GET", "get", "POST", "PUT", "PROPFIND", "M-SEARCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "PRI",
		"VERSION-CONTROL", "X_Y", "A", "G1", "!#$%&'*+-.^_`|~", "GE\x00T", "G@T", long("A"), long("X-"), "_", "1")
	sep := func() string { return often(" ", "  ", "\t", " \t ", "\v", "\f", "\r", "\xa0", "   ") }
	target := often(words[1], "/", "/a", "*", "a", "/a b", "/%73", "//a", "/../a", "/a#b", "/a?b", "?b", "http://h", "http://h/", "HTTP://h/a", "http:/h",
		"http:h", "http://h?x", "http:///a", "mailto:a", "h", "h:80", ":80", "[::1]:80", "/\xff", "/\x01", "/\x7f", "/\x00", "/a\\b", "/\"<>", "/{}|^`",
		"", "/%", "/%zz", "/%00", "/%2e%2e/a", "/a;b", "/./a", "/a//b", "https://u:p@h:1/a", "h2+x://h/", "1://h/", "**", "*?a", "/"+long("a"), "#", "\\a", "é")
	version := often(words[2], "HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/1.9", "HTTP/1.10", "HTTP/1.01", "HTTP/01.1", "HTTP/0.9", "HTTP/2.0", "HTTP/2",
		"HTTP/3.7", "HTTP/9.9", "HTTP/1.", "HTTP/1", "HTTP/", "http/1.1", "Http/1.1", "HTTP 1.1", "", "HTTP/1.1 ", "HTTP/1.1\t", "HTTP/1.1 x", "HTTPS/1.1",
		"HTTP/11.1", "HTTP/1.1.1", "HTTP/-1.1", "HTTP/ 1.1", "HTTP/1 .1", "ICY/1.1", "RTSP/1.0", "HTTP/1.11111")
	end := often("\r\n", "\n", "\r\r\n", "\r", " \r\n", "\n\r", "\r\n\r\n")
	if chance(r, 15) {
		return join(before, method, sep(), target, end)
	}
	return join(before, method, sep(), target, sep(), version, end)
}

func oddFields(r *rand.Rand) []byte {
	var b strings.Builder
	fields := []string{
		"Host: h\r\n", "Host: h\r\n", "Host: h\r\n", "Host: h\r\n", "host:H.\r\n", "Host: h:80\r\n", "Host:\r\n", "Host: \r\n", "Host: a, b\r\n", "Host: h\r\nHost: h\r\n", "Host: h\r\nHost: g\r\n",
		"Host : h\r\n", " Host: h\r\n", "Host: h\n", "Host: [::1]\r\n", "Host: a b\r\n", "Host: h\r\n x\r\n", "Host:\r\n h\r\n", "Host: h\x00\r\n", "Host: u@h\r\n", "Host: h/x\r\n", "Host: h..\r\n", "",
	}
	b.WriteString(fields[r.IntN(len(fields))])
	for range r.IntN(3) {
		b.WriteString(pick(r, "A: b\r\n", "A:b\n", "A: b\r\n c\r\n", "A\r\n", "A : b\r\n", ": b\r\n", "A: \x01\r\n", "A:\xff\r\n", "A: b\rc\r\n", "X-Y_Z: 1\r\n", "Content-Length: 0\r\n", "Connection: close\r\n", "\x80: a\r\n", "Host: g\r\n"))
	}
	b.WriteString(pick(r, "\r\n", "\r\n", "\r\n", "\n", "\r\r\n"))
	return []byte(b.String())
}
