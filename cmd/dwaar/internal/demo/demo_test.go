package demo_test

import (
	"context"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/cmd/dwaar/internal/demo"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
)

func serve(t *testing.T, name string) *hosttest.Server {
	t.Helper()
	h, err := demo.New(&hosttest.Builder{}, &sdk.Node{Name: "demo", Args: []sdk.Word{{Text: name}}})
	if err != nil {
		t.Fatal(err)
	}
	return hosttest.Serve(t, h, nil)
}

// split returns host and port of a server.
func split(t *testing.T, s *hosttest.Server) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

func TestCurlGetsAPage(t *testing.T) {
	t.Parallel()
	s := serve(t, "HTTP")
	out, err := realtest.Run(t, exec.Command(realtest.Look(t, "curl"), "-sS", "-H", "Host: example.com", "http://"+s.Addr+"/page?x=1"))
	if diff := cmp.Diff("hello from dwaar's demo HTTP server: you asked example.com for /page\n", out); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if o := s.Outcome(t); o.Code.Why != host.Closed {
		t.Errorf("it ended with %v, %v", o.Code, o.Err)
	}
}

func TestOpenSSHShowsWhyItIsDisconnected(t *testing.T) {
	t.Parallel()
	addr, port := split(t, serve(t, "ssh"))
	out, err := realtest.Run(t, exec.Command(realtest.Look(t, "ssh"), "-F", "none", "-o", "BatchMode=yes", "-p", port, addr))
	if err == nil || !strings.Contains(out, "11: this is dwaar's demo SSH server, it has no shell") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestPsqlShowsWhyItIsRefused(t *testing.T) {
	t.Parallel()
	addr, port := split(t, serve(t, "postgres"))
	for _, mode := range []string{"disable", "prefer"} {
		out, err := realtest.Run(t, exec.Command(realtest.Look(t, "psql"), "host="+addr+" port="+port+" user=me dbname=d sslmode="+mode))
		if err == nil || !strings.Contains(out, "FATAL:  this is dwaar's demo PostgreSQL server, it has no database") {
			t.Errorf("sslmode=%s: %v: %s", mode, err, out)
		}
	}
}

func TestRedisClientsGetAPong(t *testing.T) {
	t.Parallel()
	addr, port := split(t, serve(t, "redis"))
	const pong = "PONG from dwaar's demo Redis server, which a WebAssembly plugin found\n"
	const refusal = "this is dwaar's demo Redis server, it has no data: say PING\n"
	for word, want := range map[string]string{"ping": pong, "dbsize": "ERR " + refusal + "\n"} {
		out, err := realtest.Run(t, exec.Command(realtest.Look(t, "redis-cli"), "-h", addr, "-p", port, word))
		if diff := cmp.Diff(want, out); diff != "" || err != nil {
			t.Errorf("redis-cli %s: %v (-want +got):\n%s", word, err, diff)
		}
		line := exec.Command("sh", "-c", "printf '"+word+" \r\n' | "+realtest.Look(t, "nc")+" -N "+addr+" "+port)
		out, err = realtest.Run(t, line)
		want = map[string]string{"ping": "+" + pong, "dbsize": "-ERR " + refusal}[word]
		if diff := cmp.Diff(want, strings.ReplaceAll(out, "\r\n", "\n")); diff != "" || err != nil {
			t.Errorf("%s with nc: %v (-want +got):\n%s", word, err, diff)
		}
	}
}

func TestTheGreetingComesFirst(t *testing.T) {
	t.Parallel()
	s := serve(t, "greeting")
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if !strings.HasPrefix(string(got), "hello from dwaar's demo") || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTheGreetingSaysWhatIsWrittenInTheFile(t *testing.T) {
	t.Parallel()
	var b hosttest.Builder
	n := &sdk.Node{Name: "demo", Args: []sdk.Word{{Text: "greeting"}, {Text: "you speak {conn.network} to {vars.us}"}}}
	h, err := demo.New(&b, n)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"conn.network", "vars.us"}, b.Read); diff != "" {
		t.Errorf("it reads (-want +got):\n%s", diff)
	}
	s := hosttest.Serve(t, named{h}, nil)
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if string(got) != "you speak tcp to me\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// named gives connections the variable us.
type named struct{ host.Handler }

func (n named) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	c.Put("vars", "us", "me")
	return n.Handler.Handle(ctx, c, next)
}

func TestATextIsForTheGreetingAndHasWholePlaceholders(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][2]string{
		"only greeting takes a text":        {"http", "x"},
		"has a brace without its partner":   {"greeting", "{x"},
		"{x} names no fact: write {vars.x}": {"greeting", "{x}"},
	} {
		n := &sdk.Node{Name: "demo", Args: []sdk.Word{{Text: args[0]}, {Text: args[1]}}}
		if _, err := demo.New(&hosttest.Builder{}, n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestNonsenseEndsTheConversation(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string]string{
		"http":     "no request\r\n\r\n",
		"ssh":      strings.Repeat("x", 300),
		"postgres": "\xff\xff\xff\xff\x00\x03\x00\x00",
		"redis":    "*1\r\n$999\r\n",
	} {
		s := serve(t, name)
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, bytes); err != nil {
			t.Error(err)
		}
		if o := s.Outcome(t); o.Code.By != host.ByClient || o.Code.Why != host.Protocol {
			t.Errorf("%s ended with %v, %v", name, o.Code, o.Err)
		}
		conn.Close()
	}
}
