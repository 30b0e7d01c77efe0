package dwaar_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/dwaar"
	"dwaar.dev/dwaar/host/realtest"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// codes waits until n connections have ended, and returns how.
func (j *journal) codes(t *testing.T, n int) []string {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for overdue := realtest.Overdue(t); ; {
		var codes []string
		for _, m := range regexp.MustCompile(`msg=connection .*code=(\S+)`).FindAllStringSubmatch(j.String(), -1) {
			codes = append(codes, m[1])
		}
		if len(codes) >= n {
			return codes
		}
		select {
		case <-tick.C:
		case <-overdue:
			t.Fatalf("%d connections have ended, want %d:\n%s", len(codes), n, j)
		}
	}
}

// asked is what a client gets that says hello and is done.
func asked(t *testing.T, network, addr string) string {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return "" // the reset was quicker than this side
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(realtest.Deadline(t))
	_, _ = io.WriteString(conn, "hello") // a loop that has ended takes no more
	_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	got, _ := io.ReadAll(conn) // a loop ends by a reset or by an end
	return string(got)
}

// ofThisMachine is an address of an interface, or none.
func ofThisMachine() string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			return ip.IP.String()
		}
	}
	return ""
}

// TestConnectionsThatComeBackAreRefused has configurations in which the text does not tell
// of a loop, or in which only some connections go round: ONE and TWO are free ports, DIR is
// a directory.
func TestConnectionsThatComeBackAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		by     string // network and address of the client
		code   string // of the connection that is refused
		rounds int    // connections that one client makes
	}{
		"itself":              {"127.0.0.1:ONE {\n@some remote_ip 127.0.0.0/8\nroute @some {\nproxy 127.0.0.1:ONE\n}\n}", "", "proxy.connect.loop", 2},
		"localhost":           {"127.0.0.1:ONE {\n@some remote_ip 127.0.0.0/8\nroute @some {\nproxy tcp4/localhost:ONE\n}\n}", "", "proxy.connect.loop", 2},
		"a port":              {":ONE {\n@some remote_ip 127.0.0.0/8 ::1\nroute @some {\nproxy :ONE\n}\n}", "", "proxy.connect.loop", 2},
		"no address":          {"127.0.0.1:ONE {\n@some remote_ip 127.0.0.0/8\nroute @some {\nproxy 0.0.0.0:ONE\n}\n}", "", "proxy.connect.loop", 2},
		"an interface":        {"0.0.0.0:ONE {\nroute {\nproxy INTERFACE:ONE\n}\n}", "", "proxy.connect.loop", 2},
		"two hops":            {"127.0.0.1:ONE {\n@some remote_ip 127.0.0.0/8\nroute @some {\nproxy tcp4/localhost:TWO\n}\n}\n127.0.0.1:TWO {\nroute {\nproxy 127.0.0.1:ONE\n}\n}", "", "proxy.connect.loop", 3},
		"after a handler":     {"127.0.0.1:ONE {\n@some remote_ip 127.0.0.0/8\nroute @some {\nvars a b\nproxy 127.0.0.1:ONE\n}\n}", "", "proxy.connect.loop", 2},
		"in a subroute":       {"127.0.0.1:ONE {\nroute {\nsubroute {\n@some remote_ip 127.0.0.0/8\nroute @some {\nproxy 127.0.0.1:ONE\n}\n}\n}\n}", "", "proxy.connect.loop", 2},
		"behind a header":     {"127.0.0.1:ONE {\n@some remote_ip 127.0.0.0/8\nroute @some {\nproxy 127.0.0.1:ONE {\nproxy_protocol v2\n}\n}\n}", "", "proxy.connect.loop", 2},
		"the second address":  {"127.0.0.1:ONE {\nroute {\nproxy {\nupstream {\ndial ECHO INTERFACE:TWO\n}\n}\n}\n}\n0.0.0.0:TWO {\nroute {\nproxy 127.0.0.1:ONE\n}\n}", "", "proxy.connect.loop", 3},
		"a Unix socket":       {"unix/DIR/a.sock {\nroute {\nproxy unix/DIR/link.sock\n}\n}", "unix DIR/a.sock", "proxy.connect.loop", 2},
		"Unix and TCP":        {"unix/DIR/a.sock {\n@some regexp h 1\nroute @some {\nproxy 127.0.0.1:ONE\n}\n}\n127.0.0.1:ONE {\nroute {\nproxy unix/DIR/a.sock\n}\n}", "unix DIR/a.sock", "proxy.connect.loop", 3},
		"chosen":              {"127.0.0.1:ONE {\nroute {\nvars to 127.0.0.1\nproxy {vars.to}:ONE\n}\n}", "", "proxy.connect.refused", 1},
		"chosen and allowed":  {"127.0.0.1:ONE {\nroute {\nvars to 127.0.0.1\nproxy {vars.to}:ONE {\nallow 127.0.0.1\n}\n}\n}", "", "proxy.connect.loop", 2},
		"chosen by interface": {"0.0.0.0:ONE {\nroute {\nvars to INTERFACE\nproxy {vars.to}:ONE\n}\n}", "", "proxy.connect.refused", 1},
	} {
		for _, loops := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s, %d loops", name, loops), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, c.text+"\n"+c.by)
				log := w.serve(t, c.text, loops)
				network, addr := "tcp", "127.0.0.1:"+w.one
				if by, path, ok := strings.Cut(w.fill(c.by), " "); ok {
					network, addr = by, path
				}
				if got := asked(t, network, addr); got != "" && !strings.Contains(c.text, "ECHO") { // which has answered before the other one is refused
					t.Errorf("got %q", got)
				}
				codes := log.codes(t, c.rounds)
				if len(codes) != c.rounds || !strings.Contains(strings.Join(codes, " "), c.code) {
					t.Errorf("ended %q, want %d with %s:\n%s", codes, c.rounds, c.code, log)
				}
				if n := strings.Count(log.String(), "a connection leads back here"); (n == 1) != (c.code == "proxy.connect.loop") {
					t.Errorf("%d warnings:\n%s", n, log)
				}
			})
		}
	}
}

// TestAChainOfListenersIsNoLoop has connections pass several listeners, or one of them
// twice, by another route.
func TestAChainOfListenersIsNoLoop(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"two listeners":  "127.0.0.1:ONE {\nroute {\nproxy tcp4/localhost:TWO\n}\n}\n127.0.0.1:TWO {\nroute {\nproxy ECHO\n}\n}",
		"by a socket":    "127.0.0.1:ONE {\nroute {\nproxy unix/DIR/a.sock\n}\n}\nunix/DIR/a.sock {\nroute {\nproxy 127.0.0.1:TWO\n}\n}\n127.0.0.1:TWO {\nroute {\nproxy ECHO\n}\n}",
		"the same twice": "127.0.0.1:ONE {\n@inner proxy_protocol\n@outer {\nremote_ip 127.0.0.0/8\nnot proxy_protocol\n}\nroute @inner {\nproxy ECHO\n}\nroute @outer {\nproxy 127.0.0.1:ONE {\nproxy_protocol v1\n}\n}\n}",
	} {
		for _, loops := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s, %d loops", name, loops), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, text)
				log := w.serve(t, text, loops)
				var all sync.WaitGroup
				for range 20 { // at once: none is taken for another one
					all.Go(func() {
						if got := asked(t, "tcp", "127.0.0.1:"+w.one); !strings.HasSuffix(got, "hello") {
							t.Errorf("got %q:\n%s", got, log)
						}
					})
				}
				all.Wait()
			})
		}
	}
}

// world is what stands for the words in capitals in the configurations above.
type world struct{ one, two, dir, machine, echo string }

func newWorld(t *testing.T, text string) *world {
	t.Helper()
	w := &world{machine: ofThisMachine()}
	if strings.Contains(text, "INTERFACE") && w.machine == "" {
		t.Skip("this machine has no address but loopback")
	}
	_, w.one, _ = strings.Cut(realtest.FreeAddr(t).String(), ":")
	_, w.two, _ = strings.Cut(realtest.FreeAddr(t).String(), ":")
	dir, err := os.MkdirTemp("", "loop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w.dir = dir
	if err := os.Symlink(filepath.Join(dir, "a.sock"), filepath.Join(dir, "link.sock")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w.echo = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return w
}

func (w *world) fill(text string) string {
	return strings.NewReplacer("ONE", w.one, "TWO", w.two, "DIR", w.dir, "INTERFACE", w.machine, "ECHO", w.echo).Replace(text)
}

func (w *world) serve(t *testing.T, text string, loops int) *journal {
	t.Helper()
	log := &journal{}
	s := start(t, dwaar.Options{Log: slog.New(slog.NewTextHandler(log, nil)), Loops: loops})
	if err := s.Load(t.Context(), config.Text("Dwaarfile", "layer4 {\n"+w.fill(text)+"\n}\n")); err != nil {
		t.Fatal(err)
	}
	return log
}
