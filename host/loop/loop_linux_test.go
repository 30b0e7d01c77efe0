package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

func newLoops(tb testing.TB, n int) *Loops {
	tb.Helper()
	rs, err := New(n)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(rs.Close)
	return rs
}

// pair makes two connected descriptors.
func pair(tb testing.TB) (near, far int) {
	tb.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	return fds[0], fds[1]
}

// file is the test's end of a pair.
func file(tb testing.TB, fd int) *os.File {
	tb.Helper()
	f := os.NewFile(uintptr(fd), "peer")
	tb.Cleanup(func() { _ = f.Close() })
	if err := f.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}
	return f
}

// linked starts a link on two pairs.
func linked(tb testing.TB, rs *Loops, o relay.Options) (l *relay.Link, client, server *os.File, done chan relay.Result) {
	tb.Helper()
	down, c := pair(tb)
	up, s := pair(tb)
	done = make(chan relay.Result, 1)
	o.Done = func(r relay.Result) { done <- r }
	return rs.Start(relay.Endpoint{FD: down}, relay.Endpoint{FD: up}, o), file(tb, c), file(tb, s), done
}

// tcpPair makes a connected TCP pair.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return a.(*net.TCPConn), c.(*net.TCPConn)
}

// The paths that are taken where something is scarce keep the laws as well.
// Not parallel: the soak counts what the process holds.
func TestNothingIsLostWhereSomethingIsScarce(t *testing.T) {
	for name, scarce := range map[string]func(*Loops){
		"no pipes":                 func(rs *Loops) { rs.pipes.left.Store(0) },
		"no memory for the rest":   func(rs *Loops) { rs.keeps.Store(0) },
		"neither pipes nor memory": func(rs *Loops) { rs.pipes.left.Store(0); rs.keeps.Store(0) },
		"one pipe, one buffer":     func(rs *Loops) { rs.pipes.left.Store(1); rs.keeps.Store(1) },
	} {
		t.Run(name, func(t *testing.T) {
			rs := newLoops(t, 2)
			scarce(rs)
			relaytest.Soak(t, rs.Start, time.Second)
		})
	}
}

func TestCloseEndsWhatIsLeft(t *testing.T) {
	t.Parallel()
	rs, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	const links = 50
	told := make(chan relay.Result, links)
	for range links {
		down, _ := pair(t)
		up, _ := pair(t)
		rs.Start(relay.Endpoint{FD: down}, relay.Endpoint{FD: up}, relay.Options{Done: func(r relay.Result) { told <- r }})
	}
	rs.Close()
	if len(told) != links {
		t.Errorf("%d of %d were told when Close returned", len(told), links)
	}
	for range len(told) {
		if r := <-told; r.Reason != relay.Drained || r.By != relay.Self {
			t.Errorf("result %+v, want drained by the relay", r)
		}
	}
	if s := rs.Stats(); s != (Stats{}) {
		t.Errorf("after Close the loops hold %+v", s)
	}
	rs.Close()
}

func TestAfterCloseLinksAreThePortableOnes(t *testing.T) {
	t.Parallel()
	rs, err := New(1)
	if err != nil {
		t.Fatal(err)
	}
	rs.Close()
	_, client, server, done := linked(t, rs, relay.Options{})
	if _, err := client.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(server, b); err != nil || string(b) != "late" {
		t.Errorf("received %q, then %v", b, err)
	}
	_, _ = client.Close(), server.Close()
	<-done
}

// wrapped is a connection with something on it.
type wrapped struct{ *net.TCPConn }

func TestAWrappedConnectionGoesThePortableWay(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	down, client := tcpPair(t)
	up, server := tcpPair(t)
	done := make(chan relay.Result, 1)
	rs.Start(relay.Endpoint{Conn: wrapped{down}}, relay.Endpoint{Conn: up}, relay.Options{Done: func(r relay.Result) { done <- r }})
	if n := rs.Stats().Links; n != 0 {
		t.Errorf("%d links on loops", n)
	}
	if _, err := up.SyscallConn(); err != nil {
		t.Errorf("the plain end was taken apart: %v", err)
	}
	for _, c := range []*net.TCPConn{client, server} {
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if r := <-done; r.Reason != relay.Finished {
		t.Errorf("result %+v", r)
	}
}

func TestADescriptorLeavesItsConnection(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	down, client := tcpPair(t)
	up, server := tcpPair(t)
	_ = down.SetDeadline(time.Unix(1, 0)) // gone with the connection
	done := make(chan relay.Result, 1)
	rs.Start(relay.Endpoint{Conn: down}, relay.Endpoint{Conn: up}, relay.Options{Done: func(r relay.Result) { done <- r }})
	if _, err := down.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading from the connection: %v, want it closed", err)
	}
	for _, c := range []*net.TCPConn{client, server} {
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if r := <-done; r.Reason != relay.Finished {
		t.Errorf("result %+v", r)
	}
}

func TestADescriptorThatIsNoSocketBreaksItsLink(t *testing.T) {
	t.Parallel()
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	piped, err := unix.FcntlInt(reader.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	_, _ = writer.WriteString("not from a socket")
	for name, fd := range map[string]int{"negative": -1, "a device": null, "a pipe": piped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rs := newLoops(t, 1)
			up, server := tcpPair(t)
			done := make(chan relay.Result, 1)
			rs.Start(relay.Endpoint{FD: fd}, relay.Endpoint{Conn: up}, relay.Options{Done: func(r relay.Result) { done <- r }})
			if r := <-done; r.By != relay.Down || r.Reason != relay.Broken || r.Err == nil {
				t.Errorf("result %+v, want the client's end broken", r)
			}
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the upstream reads %v, want a reset", err)
			}
		})
	}
}

// A socket that blocks must not stop a loop, although splice would.
func TestASocketThatBlocksIsNotSpliced(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	_, client, server, done := linked(t, rs, relay.Options{})
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := pair(t)
	rs.Start(relay.Endpoint{FD: fds[0]}, relay.Endpoint{FD: near}, relay.Options{})
	sender, receiver := os.NewFile(uintptr(fds[1]), "sender"), file(t, far)
	go func() {
		_, _ = sender.Write(make([]byte, 1<<20))
		_ = sender.Close()
	}()
	if n, err := io.Copy(io.Discard, receiver); n != 1<<20 || err != nil {
		t.Errorf("received %d bytes, then %v", n, err)
	}
	if n := rs.Stats().Pipes; n != 0 {
		t.Errorf("%d pipes were made", n)
	}
	_ = receiver.Close()
	_, _ = client.Close(), server.Close() // the other link still lives
	<-done
}

// The kernel ends a receive behind the message that a descriptor came with,
// although more waits, and reports no further edge.
func TestDescriptorsOnTheWayHoldNothingUp(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	down, client := pair(t)
	up, server := pair(t)
	for range 3 {
		if err := unix.Sendmsg(client, []byte("abc"), unix.UnixRights(client), nil, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(client, []byte("def")); err != nil {
			t.Fatal(err)
		}
	}
	rs.Start(relay.Endpoint{FD: down}, relay.Endpoint{FD: up}, relay.Options{})
	b := make([]byte, 18)
	if _, err := io.ReadFull(file(t, server), b); err != nil || string(b) != "abcdefabcdefabcdef" {
		t.Errorf("received %q, then %v", b, err)
	}
	_ = unix.Close(client)
}

func TestLimitsDoNotOverflow(t *testing.T) {
	t.Parallel()
	const never = 1<<63 - 1
	var s slot
	s.policy.Begin(5, &relay.Options{Idle: never, HalfClose: never, Lifetime: never})
	s.policy.Finish(7, relay.Down)
	if at := s.dueAt(); at < 1<<61 || ticksUntil(at) < 0 {
		t.Errorf("the limit is due at %d", at)
	}
	if at := after(1<<40, never); at < 1<<62 {
		t.Errorf("%d after %d is %d", never, 1<<40, at)
	}
}

func TestDoneMayWait(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	hold, held := make(chan struct{}), make(chan struct{})
	down, client := pair(t)
	up, server := pair(t)
	rs.Start(relay.Endpoint{FD: down}, relay.Endpoint{FD: up}, relay.Options{Done: func(relay.Result) {
		close(held)
		<-hold
	}})
	_, _ = unix.Close(client), unix.Close(server)
	<-held
	_, a, b, done := linked(t, rs, relay.Options{})
	_, _ = a.Close(), b.Close()
	<-done
	close(hold)
}

func TestALimitIsNeverEarly(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	const idle = 30 * time.Millisecond
	begun := time.Now()
	_, _, _, done := linked(t, rs, relay.Options{Idle: idle})
	r := <-done
	if after := time.Since(begun); r.Reason != relay.Idle || after < idle {
		t.Errorf("result %+v after %v, want idle after %v", r, after, idle)
	}
}

func TestAnOptionOfCenturiesIsNoLimit(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	const never = time.Duration(1<<63 - 1)
	_, client, server, done := linked(t, rs, relay.Options{Idle: never, HalfClose: never, Lifetime: never, Linger: never})
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, _ = client.Close(), server.Close()
	if r := <-done; r.Up != 1 {
		t.Errorf("result %+v", r)
	}
}

func awaitLinks(t *testing.T, rs *Loops, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); rs.Stats().Links != n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d links, want %d", rs.Stats().Links, n)
		}
	}
}
