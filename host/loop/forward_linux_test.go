package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// forwarder is the least that serves clients: it waits for the first bytes, and
// relays to one upstream.
type forwarder struct {
	dial  Dial
	o     relay.Options
	until time.Duration // for the first bytes; then without them
	began func(*forwarded)
	ended func(*forwarded, relay.Result)
	fell  func(*forwarded, error) // a dial failed
	pause time.Duration
	cries chan error
}

func (f *forwarder) Accepted(p Peer) *Client {
	c := &forwarded{f: f, peer: p}
	c.Init(c)
	if f.began != nil {
		f.began(c)
	}
	return &c.Client
}

func (f *forwarder) Failed(err error) time.Duration {
	if f.cries != nil {
		select {
		case f.cries <- err:
		default:
		}
	}
	return f.pause
}

// forwarded is one connection.
type forwarded struct {
	Client
	f    *forwarder
	peer Peer
	head [512]byte
	n    int
}

func (c *forwarded) Start() { c.Ready() }

func (c *forwarded) Ready() {
	n, err := c.Recv(c.head[:])
	switch {
	case err == ErrAgain:
		var until time.Time
		if c.f.until > 0 {
			until = time.Now().Add(c.f.until)
		}
		c.Wait(until)
	case err != nil:
		c.Close(false)
	default:
		c.n = n
		c.connect()
	}
}

func (c *forwarded) Due() { c.connect() }

func (c *forwarded) connect() {
	sent, err := c.Dial(c.f.dial, c.head[:c.n])
	switch {
	case err == ErrPending:
	case err != nil:
		c.lost(err)
	default:
		c.Relay(c.head[sent:c.n], c.f.o)
	}
}

func (c *forwarded) Connected(err error) {
	if err != nil {
		c.lost(err)
		return
	}
	c.Relay(c.head[:c.n], c.f.o)
}

func (c *forwarded) lost(err error) {
	if c.f.fell != nil {
		c.f.fell(c, err)
	}
	c.Close(true)
}

func (c *forwarded) Killed(relay.Reason) { c.Close(true) }

func (c *forwarded) Ended(res relay.Result) {
	if c.f.ended != nil {
		c.f.ended(c, res)
	}
}

func (c *forwarded) Panicked(v any, stack []byte) {
	if c.f.ended != nil {
		c.f.ended(c, relay.Result{Err: relay.ErrPanic})
	}
}

// listening makes a listening TCP socket for the loops.
func listening(tb testing.TB) (fd int, addr netip.AddrPort) {
	tb.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(fd, 1024)
	}
	if err != nil {
		tb.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	return fd, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*unix.SockaddrInet4).Port))
}

// serve has rs serve a listener with f, and returns where.
func serve(tb testing.TB, rs *Loops, f *forwarder) netip.AddrPort {
	tb.Helper()
	fd, addr := listening(tb)
	l, err := rs.Listen(fd, f)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		<-l.Leave()
		_ = unix.Close(fd)
	})
	return addr
}

// echo is an upstream that sends back what it gets, and ends when its client does.
func echo(tb testing.TB) netip.AddrPort {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, struct{ io.Reader }{c})
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

func connectTo(tb testing.TB, addr netip.AddrPort) *net.TCPConn {
	tb.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func TestAClientIsForwarded(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 2)
	results := make(chan relay.Result, 1)
	at := serve(t, rs, &forwarder{
		dial:  Dial{Network: "tcp", Addr: echo(t)},
		ended: func(_ *forwarded, r relay.Result) { results <- r },
	})
	for range 50 {
		c := connectTo(t, at)
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if err != nil || string(b) != "hello" {
			t.Fatalf("received %q, then %v", b, err)
		}
		_ = c.Close()
		if r := <-results; r.Up != 5 || r.Down != 5 || r.Reason != relay.Finished || r.By != relay.Down {
			t.Errorf("result %+v", r)
		}
	}
}

func TestARefusedUpstreamIsAnErrorOfNet(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	nobody, where := listening(t)
	_ = unix.Close(nobody)
	failures := make(chan error, 1)
	at := serve(t, rs, &forwarder{
		dial: Dial{Network: "tcp", Addr: where},
		fell: func(_ *forwarded, err error) { failures <- err },
	})
	c := connectTo(t, at)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	var op *net.OpError
	if err := <-failures; !errors.As(err, &op) || op.Op != "dial" || !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("the attempt ended with %v", err)
	}
}
