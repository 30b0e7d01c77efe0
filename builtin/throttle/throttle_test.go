package throttle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
)

// node is the directive with the lines of its block.
func node(lines ...string) *sdk.Node {
	n := &sdk.Node{Name: "throttle", Pos: sdk.Pos{Line: 1, Col: 1}}
	for i, line := range lines {
		words := strings.Fields(line)
		at := sdk.Pos{Line: i + 2, Col: 2}
		n.Block = append(n.Block, sdk.Node{Name: words[0], Pos: at, Args: []sdk.Word{{Text: words[1], Pos: sdk.Pos{Line: i + 2, Col: 20}}}})
	}
	return n
}

func made(t testing.TB, lines ...string) *Handler {
	t.Helper()
	return madeBy(t, &hosttest.Builder{}, lines...)
}

func madeBy(t testing.TB, b *hosttest.Builder, lines ...string) *Handler {
	t.Helper()
	h, err := New(b, node(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return h.(*Handler)
}

// TestARelayOverItKeepsEveryPromise runs the suite of the relay with each client slowed
// down, in small pieces and at a rate that takes no time.
func TestARelayOverItKeepsEveryPromise(t *testing.T) {
	h := made(t, "latency 1us", "read_bytes_per_second 1GB", "read_burst_size 5000", "total_write_bytes_per_second 1GB", "total_write_burst_size 3000")
	relaytest.Run(t, relaytest.Wrapping(t, relay.Start, func(c net.Conn) net.Conn { return h.slow(c) }))
}

// piped returns a slow connection and its client, in memory.
func piped(h *Handler) (slow *conn, client net.Conn) {
	server, client := net.Pipe()
	return h.slow(server), client
}

// took returns how long f takes, which is exact in a bubble of synctest.
func took(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}

func TestBytesTakeAsLongAsTheRateSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines []string
		read  time.Duration // 100 bytes, in reads of 10
		write time.Duration // 100 bytes at once
	}{
		{[]string{"latency 100ms"}, time.Second, 0},
		{[]string{"read_bytes_per_second 10", "read_burst_size 20"}, 8 * time.Second, 0},
		{[]string{"read_bytes_per_second 100"}, 0, 0},
		{[]string{"total_read_bytes_per_second 50"}, time.Second, 0},
		{[]string{"write_bytes_per_second 10", "write_burst_size 10"}, 0, 9 * time.Second},
		{[]string{"total_write_bytes_per_second 0.5", "total_write_burst_size 90"}, 0, 20 * time.Second},
		{[]string{"read_bytes_per_second 50", "read_burst_size 10", "total_read_bytes_per_second 10", "total_read_burst_size 10"}, 9 * time.Second, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			slow, client := piped(made(t, c.lines...))
			defer client.Close()
			defer slow.Close()
			text := bytes.Repeat([]byte("x"), 100)
			go func() { _, _ = client.Write(text) }()
			if got := took(func() {
				for range 10 {
					if _, err := io.ReadFull(slow, make([]byte, 10)); err != nil {
						t.Error(err)
					}
				}
			}); got != c.read {
				t.Errorf("%v: reading took %v, want %v", c.lines, got, c.read)
			}
			go func() { _, _ = io.ReadFull(client, make([]byte, 100)) }()
			if got := took(func() {
				if n, err := slow.Write(text); n != 100 || err != nil {
					t.Errorf("wrote %d, %v", n, err)
				}
			}); got != c.write {
				t.Errorf("%v: writing took %v, want %v", c.lines, got, c.write)
			}
		})
	}
}

// TestAllConnectionsShareATotalAlsoAcrossReloads has two handlers of one directive, of
// configurations that follow each other, and one of another place.
func TestAllConnectionsShareATotalAlsoAcrossReloads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, lines := new(share.Store), []string{"total_read_bytes_per_second 10", "total_read_burst_size 10"}
		before, after := &hosttest.Builder{Store: store}, &hosttest.Builder{Store: store}
		defer before.Release()
		defer after.Release()
		begin := time.Now()
		for i, h := range []*Handler{madeBy(t, before, lines...), madeBy(t, after, lines...), madeBy(t, after, lines...)} {
			slow, client := piped(h)
			go func() { _, _ = client.Write(make([]byte, 10)) }()
			if _, err := io.ReadFull(slow, make([]byte, 10)); err != nil {
				t.Error(err)
			}
			if got, want := time.Since(begin), time.Duration(i)*time.Second; got != want {
				t.Errorf("connection %d had its bytes after %v, want %v", i, got, want)
			}
			slow.Close()
			client.Close()
		}
	})
}

// TestADeadlineEndsAWaitAndLosesNothing also sets it while somebody waits.
func TestADeadlineEndsAWaitAndLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow, client := piped(made(t, "latency 1m", "write_bytes_per_second 1", "write_burst_size 4"))
		defer client.Close()
		go func() { _, _ = io.WriteString(client, "hello") }()
		b := make([]byte, 9)
		_ = slow.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := slow.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %d, %v", n, err)
		}
		_ = slow.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { _ = slow.SetDeadline(time.Unix(1, 0)) })
		if got := took(func() {
			if n, err := slow.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read %d, %v", n, err)
			}
		}); got != time.Second {
			t.Errorf("the deadline ended the wait after %v", got)
		}
		_ = slow.SetDeadline(time.Time{})
		n, err := slow.Read(b[:2])
		m, again := slow.Read(b[n:])
		if string(b[:n+m]) != "hello" || err != nil || again != nil {
			t.Errorf("read %q, %v, %v", b[:n+m], err, again)
		}
		go func() { _, _ = io.Copy(io.Discard, client) }()
		_ = slow.SetWriteDeadline(time.Now().Add(3 * time.Second))
		if n, err := slow.Write(make([]byte, 12)); n != 4 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d, %v", n, err)
		}
		time.AfterFunc(time.Second, func() { slow.Close() })
		_ = slow.SetWriteDeadline(time.Time{})
		if n, err := slow.Write(make([]byte, 12)); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("wrote %d, %v", n, err)
		}
	})
}

// behind returns a handler that looks at the first bytes before the one given, as matchers
// do, and relays behind it to an upstream that sends everything back.
func behind(t *testing.T, h *Handler, peek int) (first host.Handler, next host.Next) {
	t.Helper()
	echo := hosttest.Echo(t)
	next = func(_ context.Context, c host.Conn) error {
		if err := c.Peek(peek); err != nil {
			return err
		}
		up, err := net.Dial("tcp", echo)
		if err != nil {
			return err
		}
		return c.Relay(relay.Endpoint{Conn: up}, relay.Options{})
	}
	return peeks{h, 2 * peek}, next
}

type peeks struct {
	*Handler
	n int
}

func (p peeks) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	if err := c.Peek(p.n); err != nil {
		return err
	}
	return p.Handler.Handle(ctx, c, next)
}

// TestTheFirstBytesArePassedOnOnceAndInOrder has them looked at before and behind.
func TestTheFirstBytesArePassedOnOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for _, lines := range [][]string{{"read_bytes_per_second 1MB", "read_burst_size 3"}, {"latency 1ms"}} {
		h, next := behind(t, made(t, lines...), 8)
		s := hosttest.Serve(t, h, next)
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("0123456789", 20)
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(hosttest.Limit))
		_ = c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		c.Close()
		if string(got) != text || err != nil {
			t.Errorf("%v: got %q, %v", lines, got, err)
		}
		if o := s.Outcome(t); o.Code.String() != "client.relay.closed" || o.Up != int64(len(text)) {
			t.Errorf("%v: %+v", lines, o)
		}
	}
}

// TestAKillEndsASleeperAtOnce kills one that waits within a handler, and one in a relay.
func TestAKillEndsASleeperAtOnce(t *testing.T) {
	t.Parallel()
	sleeps := made(t, "latency 1d")
	first, relays := behind(t, sleeps, 0)
	for _, next := range []host.Next{relays, func(_ context.Context, c host.Conn) error {
		_, err := c.Net().Read(make([]byte, 9))
		return err
	}} {
		reached := make(chan struct{})
		s := hosttest.Serve(t, first, func(ctx context.Context, c host.Conn) error {
			close(reached)
			return next(ctx, c)
		})
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		<-reached
		s.Kill()
		if o := s.Outcome(t); o.Code.Why != host.Killed {
			t.Errorf("%+v", o)
		}
		c.Close()
	}
}

func TestWhatBoundsNothingIsRefusedOrWarnedOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines         []string
		err, warnings string
	}{
		{[]string{"read_burst_size 1KiB"}, "2:2: read_burst_size bounds nothing without a rate: write read_bytes_per_second too", ""},
		{[]string{"total_write_burst_size 1KiB", "read_bytes_per_second x"}, "2:2: total_write_burst_size bounds nothing without a rate: write total_write_bytes_per_second too\n3:20: \"x\" is no rate: write bytes a second, as 1500, 64KiB or 10MB", ""},
		{[]string{"read_bytes_per_second 0"}, "2:20: \"0\" is no rate: write bytes a second, as 1500, 64KiB or 10MB", ""},
		{[]string{"write_bytes_per_second -1.5"}, "2:20: \"-1.5\" is no rate: write bytes a second, as 1500, 64KiB or 10MB", ""},
		{[]string{"latency off"}, "", "1:1: throttle slows nobody down: write a rate, as read_bytes_per_second 64KiB, or leave it out"},
		{[]string{"read_bytes_per_second 1.5"}, "", ""},
	} {
		b := &hosttest.Builder{}
		_, err := New(b, node(c.lines...))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.err || fmt.Sprint(b.Warnings) != fmt.Sprint(c.warnings) && b.Warnings.Error() != c.warnings {
			t.Errorf("%v: %q, %v", c.lines, got, b.Warnings)
		}
	}
}
