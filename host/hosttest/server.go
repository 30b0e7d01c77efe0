package hosttest

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Limit bounds every wait of this package. A test that passes never reaches it.
const Limit = 30 * time.Second

const (
	maxHead  = 16 << 10 // as the engine has it by default
	maxHeads = 64 << 20
	waiting  = 4096 // outcomes nobody asked for yet
)

// Server accepts TCP connections on a port of 127.0.0.1 and gives each to a
// handler, in a goroutine of its own.
type Server struct {
	Addr  string      // where it listens
	Heads *host.Heads // what its connections borrow

	handler  host.Handler
	next     host.Next
	listener *net.TCPListener
	outcomes chan host.Outcome
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
		next = func(context.Context, *host.Conn) error { return host.ErrNoRoute }
	}
	s := &Server{
		Addr: l.Addr().String(), Heads: host.NewHeads(maxHeads),
		handler: h, next: next, listener: l, outcomes: make(chan host.Outcome, waiting),
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
		c := host.NewConn(sock, id, flowOf(sock), &host.Env{
			Heads: s.Heads,
			Log:   slog.New(slog.DiscardHandler),
			Ended: func(_ *host.Conn, o host.Outcome) {
				s.outcomes <- o
				s.running.Done()
			},
		})
		go s.serve(ctx, c)
	}
}

func (s *Server) serve(ctx context.Context, c *host.Conn) {
	c.Enter(host.InHandling)
	err := s.handler.Handle(ctx, c, s.next)
	if !c.Given() {
		c.Finish(err)
	}
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

// Outcome waits for the next connection to end and returns how it did.
func (s *Server) Outcome(t testing.TB) host.Outcome {
	t.Helper()
	select {
	case o := <-s.outcomes:
		return o
	case <-time.After(Limit):
		t.Fatalf("no connection ended within %v", Limit)
		return host.Outcome{}
	}
}
