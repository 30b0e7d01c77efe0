package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// loopback makes a connected TCP pair.
func loopback(t *testing.T) (near, far *net.TCPConn) {
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

func TestAResetIsSeenWhileTheOtherEndTakesNothing(t *testing.T) {
	t.Parallel()
	down, client := loopback(t)
	up, server := loopback(t)
	_ = up.SetWriteBuffer(4 << 10)
	_ = server.SetReadBuffer(4 << 10)
	done := make(chan Result, 1)
	o := Options{Linger: 50 * time.Millisecond, Done: func(r Result) { done <- r }}
	l := start(Endpoint{Conn: down}, Endpoint{Conn: up}, o, 10*time.Millisecond)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = client.Write(make([]byte, 64<<20)) // until the reset
	}()
	for !l.halves[0].writing.Load() || l.halves[0].n.Load() == 0 {
		time.Sleep(time.Millisecond) // a stall announces nothing
	}
	_ = client.SetLinger(0)
	_ = client.Close()
	<-sent
	r := <-done // nobody ever reads from server
	if r.Reason != Reset || r.By != Down || !r.Cut {
		t.Errorf("result %+v, want a reset by the client, and the upstream cut", r)
	}
}

func TestAResetAfterTheEndOfAStreamIsPassedOn(t *testing.T) {
	t.Parallel()
	down, client := loopback(t)
	up, server := loopback(t)
	done := make(chan Result, 1)
	Start(Endpoint{Conn: down}, Endpoint{Conn: up}, Options{Done: func(r Result) { done <- r }})
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("the end was passed on as %v", err)
	}
	_ = client.SetLinger(0)
	_ = client.Close()
	r := <-done
	if r.Reason != Reset || r.By != Down || !r.DownFinished {
		t.Errorf("result %+v, want a reset by the client after it had finished", r)
	}
}

func TestDeadlinesFromBeforeAreCleared(t *testing.T) {
	t.Parallel()
	down, client := loopback(t)
	up, server := loopback(t)
	_ = down.SetDeadline(time.Unix(1, 0))
	_ = up.SetDeadline(time.Unix(1, 0))
	done := make(chan Result, 1)
	Start(Endpoint{Conn: down}, Endpoint{Conn: up}, Options{Done: func(r Result) { done <- r }})
	for _, c := range []*net.TCPConn{client, server} {
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if r := <-done; r.Reason != Finished {
		t.Errorf("result %+v, want it finished", r)
	}
}

func TestADescriptorThatIsNoSocketBreaksTheLink(t *testing.T) {
	t.Parallel()
	for name, fd := range map[string]int{"negative": -1, "blocking": blocking(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up, server := loopback(t)
			done := make(chan Result, 1)
			Start(Endpoint{FD: fd}, Endpoint{Conn: up, Head: []byte("lost")}, Options{Done: func(r Result) { done <- r }})
			r := <-done
			if r.By != Down || r.Reason != Broken || r.Err == nil {
				t.Errorf("result %+v, want the client's end broken", r)
			}
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the upstream reads %v, want a reset", err)
			}
		})
	}
}

// blocking returns a descriptor that the poller does not take.
func blocking(t *testing.T) int {
	t.Helper()
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// connPair makes two connected Conns.
func connPair(t *testing.T, name net.Addr) (ends [2]*Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, fd := range fds {
		if ends[i], err = NewConn(fd, name, name); err != nil {
			t.Fatal(err)
		}
	}
	return ends
}

func TestConnIsANetConn(t *testing.T) {
	t.Parallel()
	name := &net.UnixAddr{Name: "here", Net: "unix"}
	ends := connPair(t, name)
	var _ net.Conn = ends[0]
	differ(t, "addresses", []net.Addr{name, name}, []net.Addr{ends[0].LocalAddr(), ends[0].RemoteAddr()})
	if err := ends[0].SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	_, err := ends[0].Read(make([]byte, 1))
	differ(t, "reading after the deadline", os.ErrDeadlineExceeded, err)
	if _, err := ends[0].Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	differ(t, "finishing", nil, ends[0].CloseWrite())
	got, err := io.ReadAll(ends[1])
	differ(t, "bytes", "abc", string(got))
	differ(t, "the end", nil, err)
}

func TestAResetConnIsClosed(t *testing.T) {
	t.Parallel()
	for _, c := range connPair(t, nil) {
		differ(t, "resetting", nil, c.Reset())
		differ(t, "finishing after it", os.ErrClosed, c.CloseWrite())
	}
}
