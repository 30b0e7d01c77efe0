package echo_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/echo"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/sdk"
)

const limit = 30 * time.Second

func serve(t *testing.T, h *echo.Handler) (*hosttest.Server, *net.TCPConn) {
	t.Helper()
	s := hosttest.Serve(t, h, nil)
	conn, err := net.DialTimeout("tcp", s.Addr, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	return s, conn.(*net.TCPConn)
}

func TestAllBytesComeBackAndThenTheEnd(t *testing.T) {
	t.Parallel()
	s, conn := serve(t, &echo.Handler{Idle: time.Hour})
	sent := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
		t.Errorf("got %d bytes of %d, %v", len(got), len(sent), err)
	}
	if o := s.Outcome(t); o.Code.String() != "client.relay.closed" || o.Err != nil {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
}

func TestSilenceEndsAnEcho(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, &echo.Handler{Idle: 20 * time.Millisecond})
	if o := s.Outcome(t); o.Code.String() != "proxy.relay.idle" {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
}

func TestAClientThatDoesNotReadStopsOnlyItself(t *testing.T) {
	t.Parallel()
	s, stuck := serve(t, &echo.Handler{Idle: 200 * time.Millisecond})
	go func() {
		b := make([]byte, 64<<10)
		for {
			if _, err := stuck.Write(b); err != nil {
				return
			}
		}
	}()
	if o := s.Outcome(t); o.Code.String() != "client.relay.idle" {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
}

func TestAResetIsTheClients(t *testing.T) {
	t.Parallel()
	s, conn := serve(t, &echo.Handler{Idle: time.Hour})
	if _, err := io.WriteString(conn, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetLinger(0)
	_ = conn.Close()
	if o := s.Outcome(t); o.Code.String() != "client.relay.reset" {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "1h0m0s", "5m": "5m0s", "OFF": "0s", "0s": "1:2: idle_timeout must be longer than 0s: write off for no limit"} {
		n := &sdk.Node{Name: "echo"}
		if text != "" {
			n.Block = []sdk.Node{{Name: "idle_timeout", Args: []sdk.Word{{Text: text, Pos: sdk.Pos{Line: 1, Col: 2}}}}}
		}
		h, err := echo.New(&hosttest.Builder{}, n)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got = h.(*echo.Handler).Idle.String()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
