package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/upstream"
)

// pipes is a listener whose clients are pipes, which have the time of the test.
type pipes struct {
	clients chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func newPipes() *pipes { return &pipes{clients: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.clients:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.clients <- there
	return here
}

// served runs a server with a program until stop, which returns what Serve said.
func served(t *testing.T, p Program) (*pipes, func() error) {
	l := newPipes()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := &Server{Program: p, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- s.Serve(ctx, l) }()
	return l, func() error { cancel(); return <-ended }
}

// A script of the owner may hang: what it has begun ends, however far it came.
func TestAClientThatHangsIsClosedAtTheDeadlineOfWhatItDoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sends string
		after time.Duration
	}{
		"half a header":                {"GET /drain", 5 * time.Second},
		"half a body":                  {"POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx", 10 * time.Second},
		"nothing behind a request":     {"POST /drain HTTP/1.1\r\nHost: x\r\n\r\n", time.Minute},
		"a request, and no more of it": {"POST /drain HTTP/1.1\r\nHost: x\r\n\r\nGET /", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, stop := served(t, Program{Drain: func() {}, Reload: func(context.Context) error { return nil }})
				conn := l.dial()
				began := time.Now()
				go func() { _, _ = io.WriteString(conn, c.sends) }()
				_, _ = io.Copy(io.Discard, conn)
				if took := time.Since(began); took != c.after {
					t.Errorf("closed after %v, want %v", took, c.after)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAnAnswerUnderWayHasAGraceWhenTheServerEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes time.Duration
		want  string
	}{
		"within the grace": {4 * time.Second, "HTTP/1.1 422 Unprocessable Entity"},
		"beyond it":        {5*time.Second + time.Millisecond, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reloading, returned := make(chan struct{}), make(chan struct{})
				l, stop := served(t, Program{Reload: func(context.Context) error {
					close(reloading)
					defer close(returned)
					time.Sleep(c.takes) // of the test's own clock
					return errors.New("no")
				}})
				conn := l.dial()
				_, _ = io.WriteString(conn, "POST /reload HTTP/1.1\r\nHost: x\r\n\r\n")
				<-reloading
				answer := make(chan string)
				go func() { text, _ := io.ReadAll(conn); answer <- string(text) }()
				began := time.Now()
				err := stop()
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it ends after %v", took)
				}
				line, _, _ := strings.Cut(<-answer, "\r\n")
				if line != c.want || errors.Is(err, context.DeadlineExceeded) != (c.want == "") {
					t.Errorf("%q, %v, want %q", line, err, c.want)
				}
				<-returned
			})
		})
	}
}

func TestAHeaderThatNoClientSendsIsRefused(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{15 << 10: "HTTP/1.1 202", 32 << 10: "HTTP/1.1 431"} {
		synctest.Test(t, func(t *testing.T) {
			l, stop := served(t, Program{Drain: func() {}})
			conn := l.dial()
			go func() {
				_, _ = io.WriteString(conn, "POST /drain HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "+strings.Repeat("x", size)+"\r\n\r\n")
			}()
			text := make([]byte, len(want))
			if _, err := io.ReadFull(conn, text); string(text) != want {
				t.Errorf("%d bytes: %q, %v, want %q", size, text, err, want)
			}
			_ = conn.Close()
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAClientSaysWhyNobodyAnswers(t *testing.T) {
	t.Parallel()
	c := NewClient("/run/x.sock")
	for _, test := range []struct {
		err, is error
		want    string
	}{
		{fs.ErrNotExist, ErrNobody, "connecting to /run/x.sock: no dwaar answers there"},
		{syscall.ECONNREFUSED, ErrNobody, "connecting to /run/x.sock: no dwaar answers there"},
		{syscall.EACCES, fs.ErrPermission, "connecting to /run/x.sock: the socket is another user's: permission denied"},
		{syscall.EPROTOTYPE, syscall.EPROTOTYPE, "connecting to /run/x.sock: wrapped: protocol wrong type for socket"},
	} {
		err := c.unreached(fmt.Errorf("wrapped: %w", test.err))
		if err.Error() != test.want || !errors.Is(err, test.is) {
			t.Errorf("%v: %v, want %s", test.err, err, test.want)
		}
	}
}

// A program that died leaves its socket behind.
func TestASocketWithoutAProgramIsNobody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	if err := NewClient(path).Drain(t.Context()); !errors.Is(err, ErrNobody) {
		t.Errorf("%v", err)
	}
}

// Each question has a connection of its own: a program that asks often leaves none behind.
func TestAClientKeepsNoConnection(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	states := make(chan http.ConnState, 100)
	server := &http.Server{
		Handler:   (&Server{Program: Program{Drain: func() {}}, Log: slog.New(slog.DiscardHandler)}).Handler(),
		ConnState: func(_ net.Conn, s http.ConnState) { states <- s },
	}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	c := NewClient(path)
	for range 3 {
		if err := c.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		for s := range states {
			if s == http.StateIdle {
				t.Fatal("the connection is kept")
			}
			if s == http.StateClosed {
				break
			}
		}
	}
}

// With the mode that it is born with, nobody else can open a socket before its mode is set.
func TestASocketIsBornForItsOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	config := net.ListenConfig{Control: private}
	l, err := config.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != ownerOnly {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAPathThatCannotBeLookedAtIsAnErrorAndNoFreePlace(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clear(filepath.Join(plain, "s")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("%v", err)
	}
	// longer than the address of a socket can be
	if l, err := listen(filepath.Join(t.TempDir(), strings.Repeat("x", 200))); err == nil || l != nil {
		t.Errorf("%v, %v", l, err)
	}
}

// descriptors counts those that the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no list of descriptors on this system")
	}
	return len(entries)
}

// Not in parallel: it counts descriptors.
func TestASocketThatIsGivenUpLeavesNoDescriptorAndNoLock(t *testing.T) {
	dir := t.TempDir()
	free, taken, plain := filepath.Join(dir, "free"), filepath.Join(dir, "taken"), filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := Listen(taken)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := descriptors(t)
	for range 3 {
		s, err := Listen(free)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, path := range []string{taken, plain} {
			if _, err := Listen(path); err == nil || strings.Contains(err.Error(), "locking "+plain) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors, %d before", got, before)
	}
}

// What goes wrong while metrics are collected is a warning.
func TestMetricsThatCannotBeCollectedAreAWarning(t *testing.T) {
	t.Parallel()
	described := make(chan *prometheus.Desc, 2*metricCount)
	newCollector(&Program{}).Describe(described)
	if len(described) != metricCount {
		t.Errorf("%d metrics are described, want %d", len(described), metricCount)
	}
	var said bytes.Buffer
	twice := MapTable{About: func() Map { return Map{Name: "m"} }}
	s := &Server{Log: slog.New(slog.NewTextHandler(&said, nil)), Program: Program{
		Engine: nobody{}, About: func() About { return About{} }, Upstreams: func() []upstream.State { return nil },
		Plugins: func() Plugins { return Plugins{} }, Maps: func() []MapTable { return []MapTable{twice, twice} },
	}}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/stats", http.NoBody))
	if !strings.Contains(said.String(), "level=WARN msg=") || !strings.Contains(w.Body.String(), "dwaar_info") {
		t.Errorf("said %q, answered %.80q", said.String(), w.Body.String())
	}
}

// nobody is an engine without connections.
type nobody struct{ Engine }

func (nobody) Stats() engine.Stats { return engine.Stats{} }
