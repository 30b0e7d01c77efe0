package session

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// limit bounds every wait of these tests. One that passes never reaches it.
const limit = 30 * time.Second

// served is a session whose handlers are a test: it holds the connection until the
// test is done with it.
type served struct {
	Session
	c        host.Conn
	ctx      context.Context
	decided  int
	room     *atomic.Int64 // bytes that may still be charged; nil: as many as there are
	held     atomic.Int64  // bytes that are charged
	spent    atomic.Int64  // descriptors that are counted
	most     int64         // how many of them may be
	got      atomic.Int64  // bytes that were read from the socket
	returned chan error
	outcomes chan host.Outcome
	gone     chan struct{} // closed when the driver has returned
}

func (x *served) Decided() { x.decided++ }

func (x *served) Readdressed() {}

// Charge counts, within the room that several sessions may share.
func (x *served) Charge(n int) bool {
	if x.room != nil && x.room.Add(-int64(n)) < 0 && n > 0 {
		x.room.Add(int64(n))
		return false
	}
	x.held.Add(int64(n))
	return true
}

// Spend counts up to most.
func (x *served) Spend(n int) bool {
	if x.spent.Add(int64(n)) > x.most && n > 0 {
		x.spent.Add(-int64(n))
		return false
	}
	return true
}

func (x *served) Ended(o host.Outcome) { x.outcomes <- o }

// end has the handlers return, and returns how the session ended.
func (x *served) end(t *testing.T, err error) host.Outcome {
	t.Helper()
	x.returned <- err
	return x.outcome(t)
}

func (x *served) outcome(t *testing.T) host.Outcome {
	t.Helper()
	select {
	case o := <-x.outcomes:
		<-x.gone
		return o
	case <-time.After(limit):
		t.Fatal("the session does not end")
		return host.Outcome{}
	}
}

// serve returns a session in its handlers, and the client's end of its socket.
func serve(t *testing.T, heads *Heads, maxHead int) (*served, *net.TCPConn) {
	t.Helper()
	return serveWithin(t, heads, maxHead, nil)
}

// serveWithin is serve with a bound for what the session may be charged.
func serveWithin(t *testing.T, heads *Heads, maxHead int, room *atomic.Int64) (*served, *net.TCPConn) {
	t.Helper()
	x := &served{returned: make(chan error, 1), room: room}
	ready := make(chan struct{})
	client := x.run(t, heads, maxHead, func(ctx context.Context, c host.Conn) error {
		x.c, x.ctx = c, ctx
		close(ready)
		select {
		case err := <-x.returned:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	<-ready
	return x, client
}

// run begins the session, whose handlers are do.
func (x *served) run(t *testing.T, heads *Heads, maxHead int, do Handlers) *net.TCPConn {
	t.Helper()
	client, server := sockets(t)
	x.outcomes = make(chan host.Outcome, 2)
	f := sdk.Flow{
		MaxHead: maxHead, Network: "tcp", Accepted: time.Now(), Listener: ":1",
		Remote: netip.MustParseAddrPort("192.0.2.1:1000"),
	}
	x.Init(&Env{Heads: heads, Log: slog.New(slog.DiscardHandler), Life: t.Context()}, x, &Begin{ID: 1, Flow: f})
	x.gone = make(chan struct{})
	go func() {
		defer close(x.gone)
		x.Serve(&counted{server, &x.got}, do)
	}()
	return client
}

// sockets returns the two ends of a connection on the loopback.
func sockets(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = out.SetDeadline(time.Now().Add(limit))
	t.Cleanup(func() { _, _ = out.Close(), in.Close() })
	return out.(*net.TCPConn), in.(*net.TCPConn)
}

// counted is a socket that counts what is read.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// NetConn implements [relay.NetConner].
func (c *counted) NetConn() net.Conn { return c.Conn }

// CloseWrite implements [relay.CloseWriter].
func (c *counted) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// waitUntil waits for something that another goroutine does.
func waitUntil(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

func send(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}
