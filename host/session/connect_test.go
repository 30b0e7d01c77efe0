package session_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/session"
	"dwaar.dev/dwaar/host/upstream"
)

// planner plans what a test gives it, which is told how many attempts there were.
type planner func(c host.View, attempt int, last error) (upstream.Dial, error)

func (p planner) Plan(c host.View, last error) (upstream.Dial, error) {
	a := c.Attempts()
	a.At++
	return p(c, a.At-1, last)
}

func (p planner) Handle(ctx context.Context, c host.Conn, _ host.Next) error {
	return c.Connect(ctx, p)
}

// waiter is a planner whose plans wait.
type waiter struct{ planner }

func (w waiter) Plan(host.View, error) (upstream.Dial, error) {
	return upstream.Dial{}, host.ErrBlocks
}

func (w waiter) PlanWait(_ context.Context, c host.View, last error) (upstream.Dial, error) {
	return w.planner.Plan(c, last)
}

func (w waiter) Handle(ctx context.Context, c host.Conn, _ host.Next) error {
	return c.Connect(ctx, w)
}

func say(t *testing.T, addr, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(hosttest.Limit))
	_, _ = io.WriteString(conn, text)
	_ = conn.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(conn)
	return string(got)
}

func TestAPlanIsAskedAgainWithTheLastError(t *testing.T) {
	t.Parallel()
	to := session.EchoServer(t)
	up := upstream.New("x", upstream.Options{})
	for _, h := range []host.Handler{
		planner(thirdTime(t, to, up)), waiter{thirdTime(t, to, up)},
	} {
		s := hosttest.Serve(t, h, nil)
		if got := say(t, s.Addr, "hello"); got != "first:hello" {
			t.Errorf("got %q", got)
		}
		if o := s.Outcome(t); o.Code.String() != "client.relay.closed" {
			t.Errorf("ended %v: %v", o.Code, o.Err)
		}
	}
	if st := up.State(); st.Conns != 0 || st.Connects != 2 || st.Failures != 2 {
		t.Errorf("%+v", st)
	}
}

// thirdTime plans an address where nobody is, one that cannot be connected from,
// and one that answers.
func thirdTime(t *testing.T, to netip.AddrPort, up *upstream.Upstream) planner {
	gone, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	path := gone.Addr().String()
	_ = gone.Close()
	return func(_ host.View, attempt int, last error) (upstream.Dial, error) {
		up.Acquire(0)
		d := upstream.Dial{Network: "tcp", Addr: to, First: []byte("first:"), Timeout: hosttest.Limit, Up: up}
		switch attempt {
		case 0:
			d.Network, d.Path = "unix", path
			if last != nil {
				t.Errorf("last: %v", last)
			}
		case 1:
			if !errors.Is(last, syscall.ENOENT) {
				t.Errorf("last: %v", last)
			}
			d.Local = netip.MustParseAddrPort("192.0.2.7:0")
		default:
			if !errors.Is(last, syscall.EADDRNOTAVAIL) {
				t.Errorf("last: %v", last)
			}
		}
		return d, nil
	}
}

func TestSecureGetsWhatStandsAndItsErrorIsAFailure(t *testing.T) {
	t.Parallel()
	to := session.EchoServer(t)
	up := upstream.New("x", upstream.Options{})
	wrong := errors.New("wrong certificate")
	h := planner(func(_ host.View, attempt int, last error) (upstream.Dial, error) {
		up.Acquire(0)
		d := upstream.Dial{Network: "tcp", Addr: to, Timeout: hosttest.Limit, Up: up}
		d.Secure = func(_ context.Context, conn net.Conn) (net.Conn, error) {
			if attempt == 0 {
				_ = conn.Close()
				return nil, wrong
			}
			_, err := io.WriteString(conn, "secured:")
			return conn, err
		}
		if attempt == 1 && !errors.Is(last, wrong) {
			t.Errorf("last: %v", last)
		}
		return d, nil
	})
	s := hosttest.Serve(t, h, nil)
	if got := say(t, s.Addr, "x"); got != "secured:x" {
		t.Errorf("got %q", got)
	}
	s.Outcome(t)
	if st := up.State(); st.Failures != 1 || st.Connects != 1 || st.Conns != 0 {
		t.Errorf("%+v", st)
	}
}
