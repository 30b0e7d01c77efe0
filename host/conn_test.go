package host

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// pair returns a Conn and the client's end of its socket.
func pair(t *testing.T, heads *Heads, maxHead int) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	client.SetDeadline(deadline)
	server.SetDeadline(deadline)
	t.Cleanup(func() { client.Close(); server.Close() })
	f := sdk.Flow{MaxHead: maxHead, Network: "tcp", Remote: netip.MustParseAddrPort("192.0.2.1:1000")}
	return NewConn(server, 1, f, &Env{Heads: heads}), client.(*net.TCPConn)
}

func send(t *testing.T, w io.Writer, p []byte) {
	t.Helper()
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
}

func TestPeekedBytesAreReadOnceAndInOrder(t *testing.T) {
	t.Parallel()
	heads := NewHeads(1 << 20)
	c, client := pair(t, heads, 16<<10)
	want := make([]byte, 40<<10)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	go func() {
		client.Write(want)
		client.CloseWrite()
	}()
	for _, n := range []int{1, 5, 3000, 16 << 10} {
		if err := c.Peek(n); err != nil {
			t.Fatalf("peeking %d: %v", n, err)
		}
		if !bytes.Equal(c.Head(), want[:len(c.Head())]) || len(c.Head()) < n {
			t.Fatalf("a head of %d bytes is not the first ones sent", len(c.Head()))
		}
	}
	if err := c.Peek(16<<10 + 1); !errors.Is(err, ErrFull) {
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
	if heads.Used() != 0 {
		t.Errorf("%d bytes of head are still lent", heads.Used())
	}
}

func TestPeekSaysWhyThereIsNoMore(t *testing.T) {
	t.Parallel()
	c, client := pair(t, NewHeads(1<<20), 1024)
	send(t, client, []byte("abc"))
	if err := c.Peek(3); err != nil {
		t.Fatal(err)
	}
	c.BeginMatching(time.Millisecond, true)
	if err := c.Peek(4); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("at the deadline: %v", err)
	}
	c.EndMatching()
	client.CloseWrite()
	if err := c.Peek(4); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if string(c.Head()) != "abc" {
		t.Errorf("the head is %q", c.Head())
	}
}

func TestHeadsOfAllConnectionsTogetherAreBounded(t *testing.T) {
	t.Parallel()
	heads := NewHeads(2 << 10)
	first, client := pair(t, heads, 16<<10)
	send(t, client, []byte("x"))
	if err := first.Peek(1); err != nil {
		t.Fatal(err)
	}
	second, other := pair(t, heads, 16<<10)
	send(t, other, []byte("y"))
	if err := second.Peek(1); !errors.Is(err, ErrNoMemory) {
		t.Errorf("beyond the bound: %v", err)
	}
	first.Finish(nil)
	if err := second.Peek(1); err != nil || string(second.Head()) != "y" {
		t.Errorf("when another one ended: %q, %v", second.Head(), err)
	}
}

func TestAContinuedPhaseHasWhatIsLeftOfItsTime(t *testing.T) {
	t.Parallel()
	c, client := pair(t, NewHeads(1<<20), 1024)
	send(t, client, []byte("a"))
	c.BeginMatching(time.Nanosecond, false)
	if err := c.Peek(2); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	c.EndMatching()
	c.BeginMatching(time.Hour, false)
	if err := c.Peek(2); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a continued phase began anew: %v", err)
	}
	c.EndMatching()
	c.BeginMatching(time.Hour, true)
	send(t, client, []byte("b"))
	if err := c.Peek(2); err != nil {
		t.Errorf("a phase of its own had no time: %v", err)
	}
}

func TestWrappedConnectionsShareFactsAndBeginWithoutAHead(t *testing.T) {
	t.Parallel()
	c, client := pair(t, NewHeads(1<<20), 1024)
	send(t, client, []byte("outer"))
	if err := c.Peek(5); err != nil {
		t.Fatal(err)
	}
	c.Facts().PutString("tls", "version", "1.2")
	w := c.Wrap(c.Net())
	if len(w.Head()) != 0 {
		t.Errorf("the new bytes begin with %q", w.Head())
	}
	w.Facts().PutString("tls", "version", "1.3")
	w.Set("tenant", []byte("a"))
	for name, want := range map[string]string{
		"tls.version": "1.3", "vars.tenant": "a", "conn.remote_addr": "192.0.2.1:1000", "conn.network": "tcp",
	} {
		if got, ok := c.Get(name); got != want || !ok {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if err := w.Peek(5); err != nil || string(w.Head()) != "outer" {
		t.Errorf("the wrapped bytes are %q, %v", w.Head(), err)
	}
	if _, ok := c.Get("tls.alpn"); ok {
		t.Error("an absent fact is there")
	}
}

func TestAProxiedAddressKeepsThePeer(t *testing.T) {
	t.Parallel()
	c, _ := pair(t, NewHeads(1<<20), 1024)
	c.SetRemote(netip.MustParseAddrPort("[::ffff:10.0.0.1]:5"))
	if got := c.Flow().Remote; got != netip.MustParseAddrPort("10.0.0.1:5") || !c.Flow().Proxied {
		t.Errorf("remote is %s", got)
	}
	if peer, _ := c.Get("conn.peer_addr"); peer != "192.0.2.1:1000" {
		t.Errorf("peer is %s", peer)
	}
}

func TestEndingsAreToldOnceLastRegisteredFirst(t *testing.T) {
	t.Parallel()
	var told []string
	c, client := pair(t, NewHeads(1<<20), 1024)
	c.life.env.Ended = func(_ *Conn, o Outcome) { told = append(told, o.Code.String()) }
	c.OnEnd(func(Outcome) { told = append(told, "first") })
	c.OnEnd(func(Outcome) { told = append(told, "second") })
	c.Enter(InHandling)
	c.Finish(End(ByClient, Protocol, errors.New("no")))
	if len(told) != 3 || told[0] != "second" || told[2] != "client.handling.protocol" {
		t.Errorf("told %q", told)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the socket is open")
	}
}

func TestAKilledConnectionSaysWhoKilledIt(t *testing.T) {
	t.Parallel()
	c, _ := pair(t, NewHeads(1<<20), 1024)
	ended := make(chan Outcome, 1)
	c.life.env.Ended = func(_ *Conn, o Outcome) { ended <- o }
	go func() { c.Finish(c.Peek(1)) }()
	c.Kill(ByOperator, Killed)
	c.Kill(ByUpstream, Unhealthy)
	if o := <-ended; o.Code != (Code{ByOperator, InMatching, Killed}) {
		t.Errorf("ended as %s", o.Code)
	}
}

func TestADefectAtTheEndStopsNobodyElse(t *testing.T) {
	t.Parallel()
	c, _ := pair(t, NewHeads(1<<20), 1024)
	var told []string
	c.life.env.Ended = func(*Conn, Outcome) { told = append(told, "engine") }
	c.OnEnd(func(Outcome) { told = append(told, "first") })
	c.OnEnd(func(Outcome) { panic("on purpose") })
	c.OnEnd(func(Outcome) { told = append(told, "last") })
	c.Finish(nil)
	if got := strings.Join(told, " "); got != "last first engine" {
		t.Errorf("told %q", got)
	}
}
