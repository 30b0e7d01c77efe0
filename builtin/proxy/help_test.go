package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/sdk"
)

// parse reads a proxy directive, checked as the graph checks it. Its first line is
// line 1 of the file "D".
func parse(t testing.TB, text string) (*sdk.Node, error) {
	t.Helper()
	g := &sdk.Grammar{
		Top:      []sdk.Spec{{Name: "layer4", Block: &sdk.Block{Holds: sdk.HoldsServers}}},
		Server:   sdk.Spec{Name: "ADDR", Args: []sdk.Arg{sdk.List("ADDR", sdk.Addr)}, Many: true, Block: &sdk.Block{Holds: sdk.HoldsRoutes}},
		Route:    sdk.Spec{Name: "route", Many: true, Args: []sdk.Arg{sdk.List("@name", sdk.Ref)}, Block: &sdk.Block{Holds: sdk.HoldsHandlers}},
		Handlers: []sdk.Spec{Spec()},
	}
	src := "layer4 {\n:1 {\nroute {\n" + text + "\n}\n}\n}\n"
	tree, err := dwaarfile.Parse("D", []byte(src), g, dwaarfile.Options{})
	if err != nil {
		return nil, err
	}
	if err := schema.Check(tree, g, nil).Errors.Err(); err != nil {
		return nil, err
	}
	n := &tree[0].Block[0].Block[0].Block[0]
	shift(n)
	return n, nil
}

// shift takes the lines in front of the directive away from positions.
func shift(n *sdk.Node) {
	n.Pos.Line -= 3
	for i := range n.Args {
		n.Args[i].Pos.Line -= 3
	}
	for i := range n.Block {
		shift(&n.Block[i])
	}
}

// builder is a Builder of the graph's kind, as far as proxy asks it.
type builder struct {
	hosttest.Builder
	inGlobal bool
	closed   string // the fact whose values are all listed
}

func (b *builder) InGlobal() bool          { return b.inGlobal }
func (b *builder) Closed(fact string) bool { return fact == b.closed }

// make builds the directive with a resolver of the test's own.
func (b *builder) make(t testing.TB, text string, look names.Lookup) (*Handler, error) {
	t.Helper()
	n, err := parse(t, text)
	if err != nil {
		return nil, err
	}
	if look == nil {
		look = func(_ context.Context, _, name string) ([]netip.Addr, error) {
			return nil, errors.New("no such name: " + name)
		}
	}
	h, err := (&maker{Builder: b, lookup: look}).handler(n)
	if err != nil {
		return nil, err
	}
	return h.(*Handler), nil
}

// mustMake builds a directive that is valid.
func mustMake(t testing.TB, text string) *Handler {
	t.Helper()
	h, err := (&builder{}).make(t, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// server is an upstream of the test: it greets every connection with its name, and
// echoes what it gets until the other side finishes.
type server struct {
	name, addr string
	listener   net.Listener

	mu    sync.Mutex
	conns []net.Conn
	total int
}

func serve(t testing.TB, name string) *server {
	t.Helper()
	return serveAt(t, name, refusing(t))
}

// serveAt is serve on an address that refusing returned. When the server stops, its
// address refuses again.
func serveAt(t testing.TB, name, addr string) *server {
	t.Helper()
	shared := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = sharePort(int(fd)) })
		return errors.Join(err, failed)
	}}
	l, err := shared.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{name: name, addr: l.Addr().String(), listener: l}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.total++
			s.mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				_, _ = io.WriteString(conn, name)
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		s.stop()
		running.Wait()
	})
	return s
}

// stop refuses further connections and ends those there are.
func (s *server) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// refusing returns an address that nobody listens on. The port is bound until the
// test ends, so that nobody else gets it.
func refusing(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(sharePort(fd), syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*syscall.SockaddrInet4).Port)).String()
}

// sharePort lets a server of the same test listen on a port that is kept for it.
func sharePort(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

// exchange sends text through the proxy, finishes, and returns the whole answer.
func exchange(t testing.TB, addr, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(hosttest.Limit))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(conn) // a reset ends the answer as well
	return string(got)
}

// logs is where a test looks for log lines.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// client is a connection without a socket, for Plan alone.
func client(addr string, log *slog.Logger) host.View {
	f := sdk.Flow{Network: "tcp", Local: netip.MustParseAddrPort("192.0.2.1:443")}
	if addr != "" {
		f.Remote = netip.MustParseAddrPort(addr)
	}
	return hosttest.View(f, log)
}

// set gives a client the variable name.
func set(c host.View, name, value string) { c.(sdk.Facts).Set(name, []byte(value)) }
