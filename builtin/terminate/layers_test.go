package terminate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
)

// after hands a connection on when it has seen a number of bytes, as a matcher does
// that stands in front.
type after struct {
	peek int
	then host.Handler
}

func (a after) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	if err := c.Peek(a.peek); err != nil {
		return err
	}
	return a.then.Handle(ctx, c, next)
}

func TestWhatMatchersHaveSeenIsPartOfTheHandshake(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	h, _, err := k.load(own + "}\n}")
	if err != nil {
		t.Fatal(err)
	}
	for _, peek := range []int{1, 5, 100} {
		s := hosttest.Serve(t, after{peek, h}, func(ctx context.Context, c host.Conn) error {
			return after{3, handlerFunc(echoes)}.Handle(ctx, c, nil)
		})
		if _, err := talk(t, s.Addr, k.config("a.example")); err != nil {
			t.Errorf("%d bytes: %v", peek, err)
		}
		s.Outcome(t)
		if used := s.Heads.Used(); used != 0 {
			t.Errorf("%d bytes: %d bytes of heads are lent for ever", peek, used)
		}
	}
}

type handlerFunc func(context.Context, host.Conn) error

func (f handlerFunc) Handle(ctx context.Context, c host.Conn, _ host.Next) error { return f(ctx, c) }

func TestTLSInsideTLSIsTerminatedTwice(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	inner, _, err := k.load(own + "}\n}")
	if err != nil {
		t.Fatal(err)
	}
	s := k.serve(own+"}\n}", func(ctx context.Context, c host.Conn) error { return inner.Handle(ctx, c, echoes) })
	outer, err := dial(t, s.Addr, k.config("a.example"))
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(outer, k.config("a.example"))
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); string(got) != "hello" || err != nil {
		t.Errorf("the echo said %q, %v", got, err)
	}
}

// clock keeps the deadline that was set last.
type clock struct {
	net.Conn
	deadline time.Time
}

func (c *clock) SetDeadline(at time.Time) error {
	c.deadline = at
	return c.Conn.SetDeadline(at)
}

func TestTheDeadlineOfTheHandshakeEndsWithIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	h, _, err := k.load(own + "}\n}")
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	go func() { _ = tls.Client(there, k.config("a.example")).Handshake() }()
	sock := &clock{Conn: here, deadline: time.Unix(1, 0)}
	o := hosttest.Run(t.Context(), sock, h, func(context.Context, host.Conn) error {
		if !sock.deadline.IsZero() {
			t.Errorf("the deadline %v is left to the next handler", sock.deadline)
		}
		return net.ErrClosed
	})
	if !errors.Is(o.Err, net.ErrClosed) {
		t.Errorf("the handshake: %v", o.Err)
	}
	_ = there.Close()
}
