package terminate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/share"
)

// raw connects without a handshake.
func raw(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func TestHandshakesThatFailSayWhoEndedThemAndWhy(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	write := func(c *net.TCPConn, text string) { _, _ = io.WriteString(c, text) }
	for name, c := range map[string]struct {
		client     func(c *net.TCPConn)
		code, text string
	}{
		"silence":       {func(*net.TCPConn) {}, "client.handling.timeout", "did not finish its handshake within 50ms"},
		"half a record": {func(c *net.TCPConn) { write(c, "\x16\x03\x01\x02") }, "client.handling.timeout", "within 50ms"},
		"the end":       {func(c *net.TCPConn) { _ = c.CloseWrite() }, "client.handling.probe", "closed before the handshake was done"},
		"half and the end": {
			func(c *net.TCPConn) { write(c, "\x16\x03\x01\x02"); _ = c.CloseWrite() },
			"client.handling.probe", "closed before",
		},
		"a whole hello and the end": {
			func(c *net.TCPConn) {
				write(c, string(hello(t, k, 0)))
				_, _ = io.ReadFull(c, make([]byte, 1)) // it is answered
				_ = c.CloseWrite()
			}, "client.handling.closed", "closed before the handshake was done",
		},
		"a reset": {
			func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }, "client.handling.probe", "connection reset",
		},
		"another protocol": {
			func(c *net.TCPConn) { write(c, "GET / HTTP/1.1\r\n\r\n") }, "client.handling.protocol", "does not speak TLS",
		},
		"a broken hello": {
			func(c *net.TCPConn) { write(c, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00") },
			"client.handling.protocol", "terminating TLS: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := *k
			kit.T, kit.store = t, new(share.Store)
			timeout := "handshake_timeout 50ms\n"
			if !strings.HasSuffix(c.code, "timeout") {
				timeout = "handshake_timeout 30s\n"
			}
			s := kit.serve(own+timeout+"}\n}", nil)
			c.client(raw(t, s.Addr))
			if o := s.Outcome(t); o.Code.String() != c.code || !strings.Contains(o.Err.Error(), c.text) {
				t.Errorf("%v: %v, want %s: %s", o.Code, o.Err, c.code, c.text)
			}
		})
	}
}

func TestAClientThatRefusesTheCertificateIsNamedAsTheOneWhoDid(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	s := k.serve(own+"}\n}", nil)
	if _, err := dial(t, s.Addr, newKit(t).config("a.example")); err == nil {
		t.Fatal("it trusts an authority it does not know")
	}
	o := s.Outcome(t)
	if o.Code.String() != "client.handling.protocol" || !strings.Contains(o.Err.Error(), "the client refused: remote error: tls: bad certificate") {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
}

func TestAnAlertIsFollowedByTheEndNotByAReset(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	s := k.serve(own+"}\n}", nil)
	conn := raw(t, s.Addr)
	if _, err := io.WriteString(conn, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"+strings.Repeat("x", 40<<10)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || len(got) == 0 || got[0] != recordAlert {
		t.Errorf("the client got %x, %v", got, err)
	}
}

func TestClientsThatStopInTheMiddleKeepNobodyOut(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	s := k.serve(own+"}\n}", nil)
	waiting := 16 * runtime.GOMAXPROCS(0) // four times the turns there are
	for range waiting {
		c := raw(t, s.Addr)
		hello := make(chan struct{})
		go func() { // its hello is answered, and it says nothing more
			_ = tls.Client(&oneWrite{Conn: c, wrote: hello}, k.config("a.example")).Handshake()
		}()
		<-hello
	}
	if _, err := talk(t, s.Addr, k.config("a.example")); err != nil {
		t.Errorf("a good client: %v", err)
	}
}

// oneWrite lets a client write once, and then only read.
type oneWrite struct {
	net.Conn
	wrote chan struct{}
	once  sync.Once
}

func (o *oneWrite) Write(p []byte) (n int, err error) {
	err = os.ErrClosed
	o.once.Do(func() {
		n, err = o.Conn.Write(p)
		close(o.wrote)
	})
	return n, err
}

func TestWhatEndsInOrderIsClosedWithCloseNotifyAndNothingElseIs(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	for _, c := range []struct {
		ends  error
		whole bool
	}{
		{nil, true},
		{host.End(host.ByProxy, host.Closed, nil), true},
		{host.ErrNoRoute, true},
		{errors.New("something broke"), false},
		{host.End(host.ByUpstream, host.Reset, nil), false},
	} {
		s := k.serve(own+"}\n}", func(_ context.Context, conn host.Conn) error {
			_, _ = io.WriteString(conn.Net(), "part")
			return c.ends
		})
		config := k.config("a.example")
		config.MaxVersion = tls.VersionTLS12 // in 1.3 an alert looks like data from outside
		records := &recorder{Conn: raw(t, s.Addr)}
		got, err := io.ReadAll(tls.Client(records, config))
		if string(got) != "part" || err != nil {
			t.Errorf("%v: the client got %q, %v", c.ends, got, err)
		}
		if got := records.last() == recordAlert; got != c.whole {
			t.Errorf("%v: close_notify was sent: %v", c.ends, got)
		}
	}
}

const recordAlert = 21

// recorder keeps what was read.
type recorder struct {
	net.Conn
	got []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.got = append(r.got, p[:n]...)
	return n, err
}

// last is the type of the last TLS record.
func (r *recorder) last() (kind byte) {
	for b := r.got; len(b) >= 5; b = b[5+int(b[3])<<8+int(b[4]):] {
		kind = b[0]
	}
	return kind
}

func TestTwoThousandHandshakesLeaveNothingBehind(t *testing.T) {
	k := newKit(t) // alone: it counts
	k.pair("a", "a.example")
	s := k.serve("{\ncertificate DIR\n}\nroute {\ntls\n}", nil)
	round := func(n int) {
		var clients sync.WaitGroup
		for worker := range 4 {
			clients.Go(func() {
				for i := range n / 4 {
					visit(t, s.Addr, k, i%4+worker)
				}
			})
		}
		clients.Wait()
		for range n {
			s.Outcome(t)
		}
	}
	round(40)
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	round(2000)
	for end := time.Now().Add(limit); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		runtime.Gosched()
	}
	if g, f := runtime.NumGoroutine(), descriptors(t); g > goroutines || f > files {
		t.Errorf("goroutines: %d, were %d; descriptors: %d, were %d", g, goroutines, f, files)
	}
	if used := s.Heads.Used(); used != 0 {
		t.Errorf("%d bytes of heads are lent for ever", used)
	}
}

// visit is one client: a good one, one for a name nobody has, one that leaves in
// the middle, one that closes without a word after the handshake.
func visit(t *testing.T, addr string, k *kit, kind int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	name := "a.example"
	if kind == 1 {
		name = "b.example"
	}
	if kind == 2 {
		_, _ = io.WriteString(conn, "\x16\x03\x01")
		return
	}
	c := tls.Client(conn, k.config(name))
	if err := c.Handshake(); (err == nil) != (kind != 1) {
		t.Errorf("asking for %s: %v", name, err)
	}
	if kind != 3 {
		_ = c.Close()
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no list of descriptors on this system")
	}
	return len(entries)
}
