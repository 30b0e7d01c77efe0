package host_test

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
)

// planner plans what a test gives it.
type planner func(c *host.Conn, attempt int, last error) (host.Dial, error)

func (p planner) Plan(c *host.Conn, attempt int, last error) (host.Dial, error) {
	return p(c, attempt, last)
}

func (p planner) Handle(ctx context.Context, c *host.Conn, _ host.Next) error {
	return host.RunPlan(ctx, c, p)
}

// waiter is a planner whose plans wait.
type waiter struct{ planner }

func (w waiter) Plan(*host.Conn, int, error) (host.Dial, error) {
	return host.Dial{}, host.ErrBlocks
}

func (w waiter) PlanWait(_ context.Context, c *host.Conn, attempt int, last error) (host.Dial, error) {
	return w.planner(c, attempt, last)
}

func (w waiter) Handle(ctx context.Context, c *host.Conn, _ host.Next) error {
	return host.RunPlan(ctx, c, w)
}

// echo is an upstream that sends back what it gets.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
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
	to := echo(t)
	up := host.NewUpstream("x", host.UpstreamOptions{})
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
func thirdTime(t *testing.T, to netip.AddrPort, up *host.Upstream) planner {
	gone, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	path := gone.Addr().String()
	_ = gone.Close()
	return func(c *host.Conn, attempt int, last error) (host.Dial, error) {
		if attempt != int(c.Record().Tries) {
			t.Errorf("attempt %d after %d", attempt, c.Record().Tries)
		}
		up.Acquire(0)
		d := host.Dial{Network: "tcp", Addr: to, First: []byte("first:"), Timeout: hosttest.Limit, Up: up}
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
			d.Local = netip.MustParseAddr("192.0.2.7")
		default:
			if !errors.Is(last, syscall.EADDRNOTAVAIL) {
				t.Errorf("last: %v", last)
			}
		}
		return d, nil
	}
}

func TestAPlanMayPauseAndTheConnectionMayEndMeanwhile(t *testing.T) {
	t.Parallel()
	up := host.NewUpstream("x", host.UpstreamOptions{})
	h := planner(func(c *host.Conn, _ int, _ error) (host.Dial, error) {
		up.Acquire(0)
		go c.Kill(host.ByOperator, host.Drained)
		return host.Dial{Network: "tcp", After: time.Hour, Timeout: time.Hour, Up: up}, nil
	})
	s := hosttest.Serve(t, h, nil)
	say(t, s.Addr, "")
	if o := s.Outcome(t); o.Code.String() != "operator.connect.drained" {
		t.Errorf("ended %v: %v", o.Code, o.Err)
	}
	if st := up.State(); st.Conns != 0 || st.Failures != 0 {
		t.Errorf("%+v", st)
	}
}

func TestSecureGetsWhatStandsAndItsErrorIsAFailure(t *testing.T) {
	t.Parallel()
	to := echo(t)
	up := host.NewUpstream("x", host.UpstreamOptions{})
	wrong := errors.New("wrong certificate")
	h := planner(func(_ *host.Conn, attempt int, last error) (host.Dial, error) {
		up.Acquire(0)
		d := host.Dial{Network: "tcp", Addr: to, Timeout: hosttest.Limit, Up: up}
		d.Secure = func(_ context.Context, _ *host.Conn, conn net.Conn) (net.Conn, error) {
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

func TestWhatAnErrorOfTheLastAttemptMeans(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]host.EndError{
		syscall.ECONNREFUSED:      {By: host.ByUpstream, Why: host.Refused},
		context.DeadlineExceeded:  {By: host.ByUpstream, Why: host.Timeout},
		syscall.EADDRNOTAVAIL:     {By: host.ByProxy, Why: host.NoAddress},
		syscall.EMFILE:            {By: host.ByProxy, Why: host.Cap},
		errors.New("certificate"): {By: host.ByUpstream, Why: host.Refused},
	} {
		var end *host.EndError
		if !errors.As(host.Unreached(err), &end) || end.By != want.By || end.Why != want.Why || !errors.Is(end, err) {
			t.Errorf("%v: %+v", err, end)
		}
	}
}
