package proxy

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/hosttest"
)

// connections is a server that tells when each of its connections ends.
func connections(t *testing.T, answer string) (addr string, ended chan int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ended = make(chan int, 100)
	go func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			go func() {
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
				ended <- n
			}()
		}
	}()
	return l.Addr().String(), ended
}

// A check leaves no connection behind, whatever it finds.
func TestEveryCheckClosesItsConnection(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for name, tc := range map[string]struct {
		option, answer string
		well           bool
	}{
		"connecting":    {"health_interval 1h", "", true},
		"an answer":     {"health_uri /", ok, true},
		"a bad one":     {"health_uri /", strings.Replace(ok, "200 OK", "500 No", 1), false},
		"no HTTP":       {"health_uri /", "220 ready\r\n\r\n", false},
		"a long header": {"health_uri /", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxAnswer) + "\r\n\r\n", false},
	} {
		addr, ended := connections(t, tc.answer)
		b := &builder{}
		if _, err := b.make(t, "proxy "+addr+" {\n"+tc.option+"\nhealth_timeout 20s\n}", nil); err != nil {
			t.Fatal(err)
		}
		k := b.Actors()[0].(*checker)
		for range 3 {
			if err := k.check(t.Context()); (err == nil) != tc.well {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range 3 {
			select {
			case <-ended:
			case <-time.After(hosttest.Limit):
				t.Fatalf("%s: connections are left", name)
			}
		}
		if n := len(k.slots); n != 0 {
			t.Errorf("%s: %d slots are left taken", name, n)
		}
	}
}

// The header names the client first and the listener second, with their ports.
func TestTheHeaderOfAConnectionNamesItsClientFirst(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy 192.0.2.3:1 {\nproxy_protocol v1\n}")
	d, err := h.Plan(client("192.0.2.9:1234", nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(d.First), "PROXY TCP4 192.0.2.9 192.0.2.1 1234 443\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	d.Dropped()
}

// Of two limits for connections the smaller one counts, and 0 is none.
func TestTheSmallerOfTwoLimitsCounts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		own int
		all int
		max int64
	}{{0, 0, 0}, {3, 0, 3}, {0, 3, 3}, {2, 3, 2}, {3, 2, 2}, {2, 2, 2}} {
		m := &maker{settings: settings{crowded: tc.all}}
		if got := m.limit(&entry{max: tc.own}); got != tc.max {
			t.Errorf("of %d and %d the limit is %d, want %d", tc.own, tc.all, got, tc.max)
		}
	}
}

// closable counts how often it is closed.
type closable struct {
	net.Conn
	closed int
}

func (c *closable) Close() error {
	c.closed++
	return c.Conn.Close()
}

func TestAPartingCheckClosesItsSocket(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	c := &closable{Conn: near}
	if part(t.Context(), c); c.closed != 1 {
		t.Errorf("closed %d times", c.closed)
	}
}
