package hosttest

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/session"
	"dwaar.dev/dwaar/sdk"
)

// Limit bounds every wait of this package. A test that passes never reaches it.
const Limit = 30 * time.Second

const (
	maxHead = 16 << 10 // as the engine has it by default
	waiting = 4096     // outcomes nobody asked for yet
)

// Server accepts TCP connections on a port of 127.0.0.1 and gives each to a
// handler, in a goroutine of its own.
type Server struct {
	Addr   string        // where it listens
	Heads  session.Heads // what its connections borrow
	Held   atomic.Int64  // bytes that its connections hold, heads included
	Memory atomic.Int64  // how many they may hold; 0: any number

	handler  host.Handler
	next     host.Next
	listener *net.TCPListener
	ended    chan ended
	live     sync.Map // *served → nothing
	running  sync.WaitGroup
}

// Serve begins to accept, until the test ends. next runs behind h; nil: a
// connection that h hands on ends with host.ErrNoRoute. When the test ends, every
// connection must: their clients are gone then, or were not closed by the test.
func Serve(t testing.TB, h host.Handler, next host.Next) *Server {
	t.Helper()
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	if next == nil {
		next = func(context.Context, host.Conn) error { return host.ErrNoRoute }
	}
	s := &Server{
		Addr:    l.Addr().String(),
		handler: h, next: next, listener: l, ended: make(chan ended, waiting),
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.running.Go(func() { s.accept(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		s.wait(t)
	})
	return s
}

// wait returns when every connection has ended.
func (s *Server) wait(t testing.TB) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(Limit):
		t.Errorf("a connection of the test has not ended within %v", Limit)
	}
}

func (s *Server) accept(ctx context.Context) {
	for id := uint64(1); ; id++ {
		sock, err := s.listener.AcceptTCP()
		if err != nil {
			return // closed, by the end of the test
		}
		s.running.Add(1)
		go s.serve(ctx, id, sock, flowOf(sock))
	}
}

// View returns a connection that is about to be planned for, without a socket: it
// came from f.Remote to f.Local. log may be nil.
func View(f sdk.Flow, log *slog.Logger) host.View {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	x := &served{}
	f.MaxHead = maxHead
	x.Init(&session.Env{Heads: new(session.Heads), Log: log}, x, &session.Begin{ID: 1, Flow: f})
	return x
}

// Run gives one connection to h in the calling goroutine, and returns how it ended.
// It closes sock.
func Run(ctx context.Context, sock net.Conn, h host.Handler, next host.Next) host.Outcome {
	s := &Server{ended: make(chan ended, 1), handler: h, next: next}
	s.running.Add(1)
	s.serve(ctx, 1, sock, sdk.Flow{Network: "unix", Accepted: time.Now(), MaxHead: maxHead})
	return (<-s.ended).outcome
}

// serve is the goroutine of a connection.
func (s *Server) serve(ctx context.Context, id uint64, sock net.Conn, f sdk.Flow) {
	x := &served{s: s}
	x.Init(&session.Env{Heads: &s.Heads, Log: slog.New(slog.DiscardHandler), Life: ctx}, x, &session.Begin{ID: id, Flow: f})
	s.live.Store(x, nil)
	x.Serve(sock, func(ctx context.Context, c host.Conn) error { return s.handler.Handle(ctx, c, s.next) })
}

// Kill ends all connections that are in the handler or in a relay, as an operator
// does.
func (s *Server) Kill() {
	for x := range s.live.Range {
		x.(*served).Kill(host.ByOperator, host.Killed)
	}
}

// served is a session of the server's.
type served struct {
	session.Session
	s *Server
}

// Charge implements [session.Owner].
func (x *served) Charge(n int) bool {
	if x.s == nil { // of View
		return true
	}
	if held, most := x.s.Held.Add(int64(n)), x.s.Memory.Load(); n > 0 && most > 0 && held > most {
		x.s.Held.Add(-int64(n))
		return false
	}
	return true
}

// Spend implements [session.Owner].
func (*served) Spend(int) bool { return true }

// Decided implements [session.Owner].
func (*served) Decided() {}

// Readdressed does nothing.
func (*served) Readdressed() {}

// Ended implements [session.Owner].
func (x *served) Ended(o host.Outcome) {
	x.s.live.Delete(x)
	x.s.ended <- ended{o, maps.Collect(x.Facts().All())}
	x.s.running.Done()
}

func flowOf(sock *net.TCPConn) sdk.Flow {
	return sdk.Flow{
		Network:  "tcp",
		Local:    host.Plain(sock.LocalAddr().(*net.TCPAddr).AddrPort()),
		Remote:   host.Plain(sock.RemoteAddr().(*net.TCPAddr).AddrPort()),
		Accepted: time.Now(),
		Listener: sock.LocalAddr().String(),
		MaxHead:  maxHead,
	}
}

// ended is a connection that has.
type ended struct {
	outcome host.Outcome
	facts   map[string]string
}

// Outcome waits for the next connection to end and returns how it did.
func (s *Server) Outcome(t testing.TB) host.Outcome {
	t.Helper()
	o, _ := s.Ended(t)
	return o
}

// Ended waits for the next connection to end and returns how it did, and what was
// known of it.
func (s *Server) Ended(t testing.TB) (host.Outcome, map[string]string) {
	t.Helper()
	select {
	case e := <-s.ended:
		return e.outcome, e.facts
	case <-time.After(Limit):
		t.Fatalf("no connection ended within %v", Limit)
		return host.Outcome{}, nil
	}
}

// Echo accepts connections until the test ends and sends back what they bring. It returns
// where.
func Echo(t testing.TB) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed, by the end of the test
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, struct{ io.Reader }{c}) // however it ends, the peer sees it
			}()
		}
	}()
	return l.Addr().String()
}
