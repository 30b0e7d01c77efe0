package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/wasm"
)

// drivers runs a test in event loops and in goroutines.
func drivers(t *testing.T, test func(t *testing.T, loops *loop.Loops)) {
	t.Helper()
	t.Run("loop", func(t *testing.T) {
		t.Parallel()
		l := loops(t)
		if l == nil {
			t.Skip("no event loops on this system")
		}
		test(t, l)
	})
	t.Run("goroutine", func(t *testing.T) {
		t.Parallel()
		test(t, nil)
	})
}

// backend answers each connection with a line and counts those that came.
func backend(t *testing.T) (addr net.Addr, came *atomic.Int64) {
	came = new(atomic.Int64)
	return listen(t, func(c net.Conn) {
		came.Add(1)
		_, _ = io.WriteString(c, "let in\n")
	}), came
}

// attack is what a client sends: pieces with a wait for the deadline between them.
type attack struct {
	name   string
	pieces []string
	end    bool   // the client's side ends behind the last piece
	code   string // how a deny of its host ends it
}

const (
	denied    = "proxy.matching.denied"
	undecided = "proxy.matching.undecided"
)

// attacks are ways to reach admin.example.com without saying so where a deny can read it.
func attacks() []attack {
	padding := strings.Repeat("X-Padding: "+strings.Repeat("x", 1000)+"\r\n", 20)
	const host = "Host: admin.example.com\r\n"
	return []attack{
		{"plain", []string{"GET / HTTP/1.1\r\n" + host + "\r\n"}, false, denied},
		{"Host behind the deadline", []string{"GET / HTTP/1.1\r\n", host + "\r\n"}, false, undecided},
		{"half of Host behind the deadline", []string{"GET / HTTP/1.1\r\nHo", "st: admin.example.com\r\n\r\n"}, false, undecided},
		{"Host behind 20 kB of headers", []string{"GET / HTTP/1.1\r\n" + padding + host + "\r\n"}, false, undecided},
		{"absolute-form with another Host", []string{"GET http://admin.example.com/ HTTP/1.1\r\nHost: www.example.com\r\n\r\n"}, false, undecided},
		{"another absolute-form with Host", []string{"GET http://www.example.com/ HTTP/1.1\r\n" + host + "\r\n"}, false, undecided},
		{"two Hosts", []string{"GET / HTTP/1.1\r\nHost: www.example.com\r\n" + host + "\r\n"}, false, undecided},
		{"silence", []string{"", "GET / HTTP/1.1\r\n" + host + "\r\n"}, false, undecided},
		{"the end before Host", []string{"GET / HTTP/1.1\r\n"}, true, undecided},
		{"the preface of HTTP/2 alone", []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, false, undecided},
	}
}

// run plays a client and returns all that it hears. Behind a piece it waits for an answer,
// or the end of the connection, before it sends the next one.
func (a *attack) run(t *testing.T, s *served) string {
	t.Helper()
	c, err := net.Dial("tcp", s.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(realtest.Deadline(t)); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 64)
	n := 0
	for i, p := range a.pieces {
		if i > 0 {
			n, _ = c.Read(first)
		}
		if _, err := io.WriteString(c, p); err != nil {
			break // it is closed already
		}
	}
	if a.end {
		_ = c.(*net.TCPConn).CloseWrite()
	}
	heard, err := io.ReadAll(c)
	heard = append(first[:n:n], heard...)
	if errors.Is(err, syscall.ECONNRESET) {
		return string(heard) + "reset"
	}
	return string(heard)
}

// lists are the places where a deny or a closing route can stand: %[1]s is that line, and
// %[2]s the address behind.
var lists = map[string]string{
	"server": `layer4 {
	127.0.0.1:0 {
		matching_timeout 250ms
		@admin http host admin.example.com
		%[1]s
		route {
			proxy %[2]s
		}
	}
}
`,
	"subroute": `layer4 {
	127.0.0.1:0 {
		route {
			subroute {
				matching_timeout 250ms
				@admin http host admin.example.com
				%[1]s
			}
			proxy %[2]s
		}
	}
}
`,
}

func TestADenyHoldsForClientsThatKeepTheirHostBack(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		addr, came := backend(t)
		for place, text := range lists {
			for _, line := range []string{"deny @admin", "deny @admin reset"} {
				s := serveIn(t, loops, wasm.Options{}, fmt.Sprintf(text, line, addr))
				for i, a := range attacks() {
					heard := a.run(t, s)
					if strings.Contains(heard, "let in") {
						t.Errorf("%s, %s, %s: it was let in", place, line, a.name)
					}
					eventually(t, "the connection has its line", func() bool { return strings.Count(s.log.String(), "msg=connection") == i+1 })
					want := a.code
					if place == "subroute" {
						want = strings.Replace(want, "matching", "handling", 1)
					}
					if lines := strings.Split(strings.TrimSpace(s.log.String()), "\n"); !strings.Contains(lines[len(lines)-1], "code="+want+" ") {
						t.Errorf("%s, %s, %s: no %s in %s", place, line, a.name, want, lines[len(lines)-1])
					}
				}
			}
		}
		if n := came.Load(); n != 0 {
			t.Errorf("%d clients reached the upstream", n)
		}
	})
}

// What the attacks are for: the same clients come past a closing route, which takes only
// those that it can tell.
func TestAClosingRouteDoesNotHoldForThem(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		addr, _ := backend(t)
		for place, text := range lists {
			config := fmt.Sprintf(text, "route @admin {\nclose\n}", addr)
			s := serveIn(t, loops, wasm.Options{}, config)
			g, err := s.build(config)
			if err != nil {
				t.Fatal(err)
			}
			g.Release()
			if len(g.Warnings) != 1 || !strings.Contains(g.Warnings[0].Error(), `write "deny @admin" in its place`) {
				t.Errorf("%s: warnings: %v", place, g.Warnings)
			}
			for _, a := range attacks() {
				if in := strings.Contains(a.run(t, s), "let in"); in != (a.code == undecided) {
					t.Errorf("%s, %s: let in: %v", place, a.name, in)
				}
			}
		}
	})
}

func TestADenyLetsOthersIn(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		addr, _ := backend(t)
		for place, text := range lists {
			s := serveIn(t, loops, wasm.Options{}, fmt.Sprintf(text, "deny @admin reset", addr))
			for _, sent := range []string{"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\x16\x03\x01"} {
				if heard := (&attack{pieces: []string{sent}}).run(t, s); !strings.Contains(heard, "let in") {
					t.Errorf("%s: %q heard %q", place, sent, heard)
				}
			}
		}
	})
}

// A plugin that fails has not answered, whatever it would have said.
func TestADenyHoldsWhereAPluginFails(t *testing.T) {
	t.Parallel()
	trap := filepath.Join(t.TempDir(), "trap.wasm")
	if out, err := realtest.Run(t, exec.Command(realtest.Look(t, "wat2wasm"), root+"/testdata/wasm/conformance/trap.wat", "-o", trap)); err != nil {
		t.Fatal(err, out)
	}
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		addr, came := backend(t)
		config := func(onError string) string {
			return fmt.Sprintf(`{
	plugin trap %s {
		on_error %s
	}
}
layer4 {
	127.0.0.1:0 {
		@trap trap
		deny @trap
		route {
			proxy %s
		}
	}
}
`, trap, onError, addr)
		}
		for onError, code := range map[string]string{"close": undecided, "match": denied} {
			s := serveIn(t, loops, wasm.Options{}, config(onError))
			if heard := (&attack{pieces: []string{"a"}}).run(t, s); strings.Contains(heard, "let in") {
				t.Errorf("on_error %s: it was let in", onError)
			}
			eventually(t, "the connection has its line", func() bool { return strings.Contains(s.log.String(), "code="+code+" ") })
			if _, err := s.build(config("no_match")); err == nil || !strings.Contains(err.Error(), "would let clients in here when the plugin fails") {
				t.Errorf("on_error no_match: %v", err)
			}
		}
		if n := came.Load(); n != 0 {
			t.Errorf("%d clients reached the upstream", n)
		}
	})
}

// Clients of a Unix socket have no address: a guard by address does not know them.
func TestADenyByAddressHoldsOnAUnixSocket(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		addr, came := backend(t)
		list := writeFile(t, "list", "127.0.0.1\n")
		for _, guard := range []string{
			"remote_ip 127.0.0.1", "not remote_ip 127.0.0.1", "not local_ip 127.0.0.1", "not remote_ip_list " + list,
			"not vars {conn.remote_ip} 127.0.0.1", "not vars_regexp {conn.local_ip} ^127",
		} {
			path := t.TempDir() + "/s"
			config := fmt.Sprintf("layer4 {\n127.0.0.1:0 unix/%s {\n@out %s\ndeny @out\nroute {\nproxy %s\n}\n}\n}\n", path, guard, addr)
			s := serveIn(t, loops, wasm.Options{}, config)
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			heard, _ := io.ReadAll(c)
			c.Close()
			if len(heard) > 0 || came.Load() != 0 {
				t.Errorf("%s: it was let in: %q", guard, heard)
			}
			eventually(t, "the connection has its line", func() bool { return strings.Contains(s.log.String(), "code="+undecided+" ") })
			only := strings.Replace(config, "127.0.0.1:0 ", "", 1)
			if _, err := s.build(only); err == nil || !strings.Contains(err.Error(), "cannot be told of any client here") {
				t.Errorf("%s: a server without addresses: %v", guard, err)
			}
		}
	})
}
