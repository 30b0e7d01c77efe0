package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

func TestPeekedBytesAreReadOnceAndInOrder(t *testing.T) {
	t.Parallel()
	heads := new(Heads)
	x, client := serve(t, heads, 16<<10)
	c := x.c
	want := make([]byte, 40<<10)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	go func() {
		_, _ = client.Write(want)
		_ = client.CloseWrite()
	}()
	for _, n := range []int{1, 5, 3000, 16 << 10} {
		if err := c.Peek(n); err != nil {
			t.Fatalf("peeking %d: %v", n, err)
		}
		if !bytes.Equal(c.Head(), want[:len(c.Head())]) || len(c.Head()) < n {
			t.Fatalf("a head of %d bytes is not the first ones sent", len(c.Head()))
		}
	}
	if err := c.Peek(16<<10 + 1); !errors.Is(err, host.ErrFull) {
		t.Errorf("peeking beyond the head's bound: %v", err)
	}
	c.Discard(100)
	if !bytes.Equal(c.Head(), want[100:100+len(c.Head())]) {
		t.Error("discarding moved the head to other bytes")
	}
	got, err := io.ReadAll(io.LimitReader(c.Net(), 1<<20)) // a defect could read for ever
	if err != nil || !bytes.Equal(got, want[100:]) {
		t.Errorf("read %d bytes, %v; they are equal: %t", len(got), err, bytes.Equal(got, want[100:]))
	}
	if heads.Used() != 0 || x.held.Load() != 0 {
		t.Errorf("%d bytes of head are still lent, and %d charged", heads.Used(), x.held.Load())
	}
}

func TestAClientIsLentWhatItHasFilledNotWhatItAnnounces(t *testing.T) {
	t.Parallel()
	heads := new(Heads)
	x, client := serve(t, heads, 1<<20)
	done := make(chan error, 1)
	go func() { done <- x.c.Peek(1 << 20) }()
	sent := 0
	for _, n := range []int{1, 46, 2000, 1, 2048, 5000, 100_000} {
		sent += n
		send(t, client, strings.Repeat("x", n))
		waitUntil(t, func() bool { return x.got.Load() == int64(sent) })
		waitUntil(t, func() bool { // while a head moves into a larger buffer it has both
			lent := heads.Used()
			return lent <= int64(max(2048, 4*sent)) && lent == x.held.Load()
		})
	}
	_ = client.CloseWrite()
	if err := <-done; err != io.EOF {
		t.Errorf("peeking ended with %v", err)
	}
	x.end(t, nil)
	if heads.Used() != 0 || x.held.Load() != 0 {
		t.Errorf("%d bytes of head are still lent, and %d charged", heads.Used(), x.held.Load())
	}
}

func TestHeadsOfWrappedConnectionsAreGivenBackAtTheEnd(t *testing.T) {
	t.Parallel()
	heads := new(Heads)
	x, client := serve(t, heads, 16<<10)
	send(t, client, "abc")
	inner := x.c.Wrap(x.c.Net())
	if err := inner.Peek(3); err != nil {
		t.Fatal(err)
	}
	if heads.Used() == 0 {
		t.Fatal("the head of the inner connection is lent by nobody")
	}
	x.end(t, nil)
	if heads.Used() != 0 || x.held.Load() != 0 {
		t.Errorf("%d bytes of head are still lent, and %d charged", heads.Used(), x.held.Load())
	}
}

func TestPeekSaysWhyThereIsNoMore(t *testing.T) {
	t.Parallel()
	x, client := serve(t, new(Heads), 1024)
	c := x.c.(*conn)
	send(t, client, "abc")
	if err := c.Peek(3); err != nil {
		t.Fatal(err)
	}
	_ = c.sock.SetReadDeadline(time.Now())
	if err := c.Peek(4); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("at the deadline: %v", err)
	}
	_ = c.sock.SetReadDeadline(time.Time{})
	_ = client.CloseWrite()
	if err := c.Peek(4); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if string(c.Head()) != "abc" {
		t.Errorf("the head is %q", c.Head())
	}
}

func TestHeadsOfAllSessionsTogetherAreBounded(t *testing.T) {
	t.Parallel()
	heads, room := new(Heads), new(atomic.Int64)
	room.Store(2 << 10)
	first, client := serveWithin(t, heads, 16<<10, room)
	send(t, client, "x")
	if err := first.c.Peek(1); err != nil {
		t.Fatal(err)
	}
	second, other := serveWithin(t, heads, 16<<10, room)
	send(t, other, "y")
	if err := second.c.Peek(1); !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("beyond the bound: %v", err)
	}
	first.end(t, nil)
	if err := second.c.Peek(1); err != nil || string(second.c.Head()) != "y" {
		t.Errorf("when another one ended: %q, %v", second.c.Head(), err)
	}
}

func TestAContinuedPhaseHasWhatIsLeftOfItsTime(t *testing.T) {
	t.Parallel()
	var h head
	begin := time.Unix(1000, 0)
	h.await(begin, time.Second, false)
	h.await(begin.Add(time.Hour), time.Minute, false)
	if want := begin.Add(time.Second); !h.deadline.Equal(want) {
		t.Errorf("a continued phase ends at %v, not %v", h.deadline, want)
	}
	h.await(begin.Add(time.Hour), time.Minute, true)
	if want := begin.Add(time.Hour + time.Minute); !h.deadline.Equal(want) {
		t.Errorf("a phase of its own ends at %v, not %v", h.deadline, want)
	}
	h.await(begin, 0, true)
	if !h.deadline.IsZero() {
		t.Errorf("a phase without end ends at %v", h.deadline)
	}
}

func TestWrappedConnectionsShareFactsAndBeginWithoutAHead(t *testing.T) {
	t.Parallel()
	x, client := serve(t, new(Heads), 1024)
	c := x.c
	send(t, client, "outer")
	if err := c.Peek(5); err != nil {
		t.Fatal(err)
	}
	c.Put("tls", "version", "1.2")
	w := c.Wrap(c.Net())
	if len(w.Head()) != 0 {
		t.Errorf("the new bytes begin with %q", w.Head())
	}
	w.Put("tls", "version", "1.3")
	w.Put("vars", "tenant", "a")
	for name, want := range map[string]string{
		"tls.version": "1.3", "vars.tenant": "a", "conn.remote_addr": "192.0.2.1:1000", "conn.remote_ip": "192.0.2.1",
		"conn.remote_port": "1000", "conn.network": "tcp", "conn.listener": ":1", "conn.id": "1",
	} {
		if got, ok := c.Get(name); got != want || !ok {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if v, ok := w.Flow().Get("vars.tenant"); v != "a" || !ok {
		t.Errorf("matchers inside do not know what is known outside: %q", v)
	}
	if err := w.Peek(5); err != nil || string(w.Head()) != "outer" {
		t.Errorf("the wrapped bytes are %q, %v", w.Head(), err)
	}
	for _, name := range []string{"tls.alpn", "conn.local_ip", "conn.nothing", "env.HOME", "nothing"} {
		if v, ok := c.Get(name); ok {
			t.Errorf("%s is %q and should be absent", name, v)
		}
	}
}

func TestAProxiedAddressKeepsThePeer(t *testing.T) {
	t.Parallel()
	x, _ := serve(t, new(Heads), 1024)
	c := x.c
	c.Readdress(netip.MustParseAddrPort("[::ffff:10.0.0.1]:5"), netip.MustParseAddrPort("[::ffff:10.0.0.2]:6"))
	want := netip.MustParseAddrPort("10.0.0.1:5")
	if got := c.Flow().Remote; got != want || !c.Flow().Proxied || *x.Proxied() != want {
		t.Errorf("remote is %s, for others %v", got, x.Proxied())
	}
	if peer, _ := c.Get("conn.peer_addr"); peer != "192.0.2.1:1000" {
		t.Errorf("peer is %s", peer)
	}
}

func TestTheEndIsToldOnceWithItsCodeAndTheSocketIsClosed(t *testing.T) {
	t.Parallel()
	x, client := serve(t, new(Heads), 1024)
	o := x.end(t, host.End(host.ByClient, host.Protocol, errors.New("no")))
	if o.Code.String() != "client.handling.protocol" || o.Err == nil {
		t.Errorf("ended as %v: %v", o.Code, o.Err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the socket is open")
	}
	if x.State() != Ended || len(x.outcomes) != 0 {
		t.Errorf("it is %v, and %d more were told", x.State(), len(x.outcomes))
	}
}

func TestAKilledSessionSaysWhoKilledIt(t *testing.T) {
	t.Parallel()
	x, _ := serve(t, new(Heads), 1024)
	x.Kill(host.ByOperator, host.Killed)
	x.Kill(host.ByUpstream, host.Unhealthy)
	if o := x.outcome(t); o.Code != (host.Code{By: host.ByOperator, In: host.InHandling, Why: host.Killed}) {
		t.Errorf("ended as %s", o.Code)
	}
}

func TestWhatIsKnownOfASessionCanBeAskedAfterItsEnd(t *testing.T) {
	t.Parallel()
	x, _ := serve(t, new(Heads), 1024)
	x.end(t, nil)
	if f := x.Flow(); !f.Accepted.Equal(x.Accepted()) || len(f.Head) != 0 {
		t.Errorf("flow %+v", f)
	}
	if _, ok := x.Get("conn.remote_ip"); ok {
		t.Error("an address is known")
	}
	if x.Attempts() == nil || x.Facts().Len() != 0 || x.Final() != nil {
		t.Error("something of it is left")
	}
}

func TestOwnIsAtLeastTheListener(t *testing.T) {
	t.Parallel()
	here, there := netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("192.0.2.1:80")
	x, _ := serve(t, new(Heads), 1024)
	x.c.Flow().Local = here
	if !x.c.Own(here) || x.c.Own(there) {
		t.Error("without being told")
	}
	x.env.Own = func(at netip.AddrPort, _ bool) bool { return at == there }
	if !x.c.Own(here) || !x.c.Own(there) || !x.Own(there) {
		t.Error("told")
	}
}

// pausing plans attempts that begin in an hour.
type pausing struct{ up *upstream.Upstream }

func (p pausing) Plan(host.View, error) (upstream.Dial, error) {
	p.up.Acquire(0)
	return upstream.Dial{Network: "tcp", After: time.Hour, Timeout: time.Hour, Up: p.up}, nil
}

func (p pausing) Handle(ctx context.Context, c host.Conn, _ host.Next) error {
	return c.Connect(ctx, p)
}

func TestAPlanMayPauseAndTheSessionMayEndMeanwhile(t *testing.T) {
	t.Parallel()
	up := upstream.New("x", upstream.Options{})
	x, failed := &served{}, make(chan error, 1)
	x.run(t, new(Heads), 1024, func(ctx context.Context, c host.Conn) error {
		err := c.Connect(ctx, pausing{up})
		failed <- err
		return err
	})
	for up.Conns() == 0 {
		runtime.Gosched()
	}
	x.Kill(host.ByOperator, host.Drained)
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("connecting ends with %v", err)
	}
	if o := x.outcome(t); o.Code.By != host.ByOperator || o.Code.Why != host.Drained {
		t.Errorf("ended %v: %v", o.Code, o.Err)
	}
	if st := up.State(); st.Conns != 0 || st.Failures != 0 {
		t.Errorf("%+v", st)
	}
}

// stuck is a socket whose Close waits for somebody.
type stuck struct {
	net.Conn
	closing, release chan struct{}
	once             sync.Once
}

func (s *stuck) Close() error {
	s.once.Do(func() { close(s.closing) })
	<-s.release
	return s.Conn.Close()
}

func TestKillDoesNotWaitForTheSocketToClose(t *testing.T) {
	t.Parallel()
	_, server := sockets(t)
	sock := &stuck{Conn: server, closing: make(chan struct{}), release: make(chan struct{})}
	x := &served{outcomes: make(chan host.Outcome, 2), gone: make(chan struct{})}
	x.Init(&Env{Heads: new(Heads), Log: slog.New(slog.DiscardHandler), Life: t.Context()}, x, &Begin{ID: 1, Flow: sdk.Flow{MaxHead: 1024}})
	begun := make(chan struct{})
	go func() {
		defer close(x.gone)
		x.Serve(sock, func(ctx context.Context, c host.Conn) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-begun
	x.Kill(host.ByProxy, host.Evicted) // an event loop may be who kills
	<-sock.closing
	close(sock.release)
	if o := x.outcome(t); o.Code.String() != "proxy.handling.evicted" {
		t.Errorf("it ended with %v", o.Code)
	}
}
