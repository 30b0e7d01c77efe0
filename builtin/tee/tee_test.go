package tee

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
	"dwaar.dev/dwaar/sdk"
)

// chain is a branch that is a function.
type chain func(ctx context.Context, c host.Conn) error

func (f chain) Run(ctx context.Context, c host.Conn) error { return f(ctx, c) }
func (chain) Ends() bool                                   { return true }
func (chain) String() string                               { return "a test" }

// made makes a handler whose branch is f.
func made(t testing.TB, f chain, lines ...sdk.Node) *Handler {
	t.Helper()
	b := &hosttest.Builder{NewChain: func([]sdk.Node) host.Chain { return f }}
	t.Cleanup(b.Release)
	h, err := New(b, &sdk.Node{Name: "tee", Block: append(lines, sdk.Node{Name: "test"})})
	if err != nil {
		t.Fatal(err)
	}
	return h.(*Handler)
}

// copied returns a branch that reads all, and what it has read.
func copied() (chain, chan string) {
	got := make(chan string, 9)
	return func(_ context.Context, c host.Conn) error {
		_, _ = io.WriteString(c.Net(), "what the branch says goes nowhere")
		b, err := io.ReadAll(c.Net())
		who, _ := c.Get("conn.remote_addr")
		tenant, _ := c.Get("vars.tenant")
		got <- fmt.Sprintf("%s from %s of %q", b, who, tenant)
		return err
	}, got
}

// echoes is what stands behind the handler: it peeks, and relays to a server that sends
// everything back.
func echoes(t *testing.T) host.Next {
	t.Helper()
	echo := hosttest.Echo(t)
	return func(_ context.Context, c host.Conn) error {
		if err := c.Peek(1); err != nil {
			return err
		}
		up, err := net.Dial("tcp", echo)
		if err != nil {
			return err
		}
		return c.Relay(relay.Endpoint{Conn: up}, relay.Options{})
	}
}

// first peeks and sets a variable before the handler, as matchers and vars do.
type first struct{ *Handler }

func (f first) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	if err := c.Peek(2); err != nil {
		return err
	}
	c.Put("vars", "tenant", "blue")
	return f.Handler.Handle(ctx, c, next)
}

// talk has a client send a text and hear it back.
func talk(t *testing.T, addr, text string) (from string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(hosttest.Limit))
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, text)
		sent <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if err := errors.Join(err, <-sent); string(got) != text || err != nil {
		t.Errorf("heard %d bytes, %v; want %d", len(got), err, len(text))
	}
	return c.LocalAddr().String()
}

func TestABranchGetsWhatTheClientSendsAndItsEnd(t *testing.T) {
	t.Parallel()
	branch, got := copied()
	h := made(t, branch)
	s := hosttest.Serve(t, first{h}, echoes(t))
	text := strings.Repeat("0123456789", 100)
	from := talk(t, s.Addr, text)
	if got, want := <-got, fmt.Sprintf("%s from %s of %q", text, from, "blue"); got != want {
		t.Errorf("the branch got %q, want %q", got, want)
	}
	if o := s.Outcome(t); o.Code.String() != "client.relay.closed" || o.Up != int64(len(text)) {
		t.Errorf("%+v", o)
	}
	if n := h.cuts.Total(); n != 0 {
		t.Errorf("%d branches were cut", n)
	}
}

// TestABranchThatDoesNotReadIsCutAndHoldsNobodyUp sends far more than its buffer holds.
func TestABranchThatDoesNotReadIsCutAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	h := made(t, func(ctx context.Context, c host.Conn) error {
		<-ctx.Done() // at the end, when the branch is killed
		_, err := c.Net().Read(make([]byte, 9))
		ended <- err
		return err
	}, sdk.Node{Name: "buffer", Args: []sdk.Word{{Text: "4KiB"}}})
	h.linger = time.Millisecond
	s := hosttest.Serve(t, h, echoes(t))
	talk(t, s.Addr, strings.Repeat("x", 8<<20))
	if o := s.Outcome(t); o.Code.String() != "client.relay.closed" || o.Up != 8<<20 {
		t.Errorf("%+v", o)
	}
	if err := <-ended; !errors.Is(err, errCut) && !errors.Is(err, net.ErrClosed) {
		t.Errorf("the branch ended with %v", err)
	}
	if n := h.cuts.Total(); n != 1 {
		t.Errorf("%d branches were cut", n)
	}
}

// TestABranchThatEndsIsNotMissed also holds for one with a defect.
func TestABranchThatEndsIsNotMissed(t *testing.T) {
	t.Parallel()
	for name, branch := range map[string]chain{
		"returns": func(context.Context, host.Conn) error { return nil },
		"fails":   func(context.Context, host.Conn) error { return errors.New("no upstream") },
		"panics":  func(context.Context, host.Conn) error { panic("a branch") },
		"closes":  func(_ context.Context, c host.Conn) error { return c.Net().Close() },
	} {
		h := made(t, branch, sdk.Node{Name: "buffer", Args: []sdk.Word{{Text: "1KiB"}}})
		s := hosttest.Serve(t, h, echoes(t))
		talk(t, s.Addr, strings.Repeat("x", 1<<20))
		if o := s.Outcome(t); o.Code.String() != "client.relay.closed" {
			t.Errorf("%s: %+v", name, o)
		}
		if h.cuts.Total() > 1 { // it may be cut before it has begun
			t.Errorf("%s: %d branches were cut", name, h.cuts.Total())
		}
	}
}

// TestABranchEndsWithTheConnection has one that would wait for ever, of connections that are
// killed, closed, and never relayed, and looks for what is left of it.
func TestABranchEndsWithTheConnection(t *testing.T) {
	before := held(t)
	for name, end := range map[string]func(s *hosttest.Server, c net.Conn){
		"kill":  func(s *hosttest.Server, _ net.Conn) { s.Kill() },
		"close": func(_ *hosttest.Server, c net.Conn) { c.Close() },
	} {
		t.Run(name+" in a relay", func(t *testing.T) { endsWith(t, end, echoes(t)) })
		t.Run(name+" in a handler", func(t *testing.T) {
			endsWith(t, end, func(_ context.Context, c host.Conn) error {
				_, err := io.Copy(io.Discard, c.Net())
				return err
			})
		})
	}
	for overdue := time.Now().Add(hosttest.Limit); held(t) > before; runtime.Gosched() {
		if time.Now().After(overdue) {
			t.Fatalf("%d descriptors and goroutines before, %d after", before, held(t))
		}
	}
}

// held returns how many descriptors and goroutines the test has.
func held(t *testing.T) int {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("descriptors cannot be counted here")
	}
	return len(descriptors) + runtime.NumGoroutine()
}

// endsWith ends a connection with a branch that waits for its own end.
func endsWith(t *testing.T, end func(*hosttest.Server, net.Conn), next host.Next) {
	t.Helper()
	running, ended := make(chan struct{}), make(chan struct{})
	h := made(t, func(ctx context.Context, _ host.Conn) error {
		close(running)
		<-ctx.Done()
		close(ended)
		return nil
	})
	h.linger = time.Millisecond
	s := hosttest.Serve(t, h, next)
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	<-running
	end(s, c)
	s.Outcome(t)
	select {
	case <-ended:
	case <-time.After(hosttest.Limit):
		t.Error("the branch goes on")
	}
}

// TestARelayOverItKeepsEveryPromise runs the suite of the relay with a branch beside each
// connection that reads nothing.
func TestARelayOverItKeepsEveryPromise(t *testing.T) {
	relaytest.Run(t, relaytest.Wrapping(t, relay.Start, func(c net.Conn) net.Conn {
		b := newBranch(c, 1<<10)
		b.cut = func(error) {}
		close(b.done)
		return &conn{Conn: c, branch: b, kill: func() {}, linger: time.Hour}
	}))
}

func TestABranchIsAConnection(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	defer client.Close()
	defer server.Close()
	b := newBranch(server, 4)
	var cuts int
	b.cut = func(error) { cuts++ }
	b.offer([]byte("abcd"))
	var got bytes.Buffer
	if n, err := io.CopyN(&got, b, 3); n != 3 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	_ = b.SetDeadline(time.Unix(1, 0))
	if n, err := b.Read(make([]byte, 9)); n != 1 || err != nil {
		t.Errorf("bytes that are there: %d, %v", n, err)
	}
	if _, err := b.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	b.offer([]byte("12"))
	b.end()
	b.offer([]byte("behind the end"))
	if rest, err := io.ReadAll(b); string(rest) != "12" || err != nil || cuts != 0 {
		t.Errorf("the rest is %q, %v; %d cuts", rest, err, cuts)
	}
	c := newBranch(server, 4)
	c.cut = b.cut
	c.offer([]byte("12345"))
	c.offer([]byte("1"))
	if _, err := c.Read(make([]byte, 9)); !errors.Is(err, errCut) || cuts != 1 {
		t.Errorf("%v, %d cuts", err, cuts)
	}
	c.Close()
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing after Close: %v", err)
	}
}

func TestATeeWithoutABranchIsRefused(t *testing.T) {
	t.Parallel()
	for _, block := range [][]sdk.Node{nil, {{Name: "buffer", Args: []sdk.Word{{Text: "1KiB"}}}}} {
		if _, err := New(&hosttest.Builder{}, &sdk.Node{Name: "tee", Block: block, Pos: sdk.Pos{Line: 1, Col: 2}}); err == nil || !strings.Contains(err.Error(), "1:2: tee has no handler") {
			t.Errorf("%v", err)
		}
	}
}
