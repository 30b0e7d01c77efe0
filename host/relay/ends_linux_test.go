package relay

import (
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// unixPair returns the two ends of a Unix stream.
func unixPair(t *testing.T) (near *Conn, far int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if near, err = NewConn(fds[0], nil, nil); err != nil {
		t.Fatal(err)
	}
	return near, fds[1]
}

// A Unix socket whose peer has closed it without reading everything says so once, to the
// first read: that is a reset, and no orderly end.
func TestAPeerThatLeavesBytesUnreadHasResetAUnixSocket(t *testing.T) {
	t.Parallel()
	down, client := unixPair(t)
	up, server := unixPair(t)
	defer unix.Close(server)
	if _, err := down.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(client)
	r := between(down, up, Options{})
	if !errors.Is(r.Err, syscall.ECONNRESET) {
		t.Errorf("the error is %v", r.Err)
	}
	r.Err = nil
	differ(t, "result", Result{By: Down, Reason: Reset}, r)
}

// An end that cannot be opened breaks its link. The other end misses nothing.
func TestAnEndThatCannotBeOpenedCutsNobody(t *testing.T) {
	t.Parallel()
	file, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	up, server := unixPair(t)
	defer unix.Close(server)
	done := make(chan Result, 1)
	Start(Endpoint{FD: file}, Endpoint{Conn: up}, Options{Done: func(r Result) { done <- r }})
	r := <-done
	if r.Err == nil {
		t.Error("nobody says why")
	}
	r.Err = nil
	differ(t, "result", Result{By: Down, Reason: Broken}, r)
	n, err := unix.Read(server, make([]byte, 1))
	if n > 0 {
		t.Errorf("the other end got %d bytes, %v", n, err)
	}
}

// Bytes that wait to be read are counted; of what is no socket there are none.
func TestWhatWaitsToBeReadIsCounted(t *testing.T) {
	t.Parallel()
	near, far := unixPair(t)
	defer near.Close()
	defer unix.Close(far)
	if _, err := unix.Write(far, []byte("12345")); err != nil {
		t.Fatal(err)
	}
	var s side
	if err := s.open(Down, Endpoint{Conn: near}); err != nil {
		t.Fatal(err)
	}
	if n := s.unread(); n != 5 {
		t.Errorf("%d bytes wait, want 5", n)
	}
	if n := received(^uintptr(0)); n != 0 {
		t.Errorf("of no descriptor %d bytes wait", n)
	}
	if n, err := unsent(uintptr(far)); n != 0 || err != nil {
		t.Errorf("of a Unix socket %d bytes are on their way, %v", n, err)
	}
	if s.wasReset() || s.awaitReset() {
		t.Error("a Unix socket was reset")
	}
	var none side
	none.wakeReader()
	none.wakeWriter()
	none.close()
	none.reset()
	none.slam()
	if none.unread() != 0 || none.wasReset() || none.awaitReset() || !errors.Is(none.closeWrite(), errors.ErrUnsupported) {
		t.Error("an end without a connection has something")
	}
}

// A connection of our own says what it was given, and what it is.
func TestAConnOfADescriptorIsAConnection(t *testing.T) {
	t.Parallel()
	local, remote := &net.UnixAddr{Name: "here"}, &net.UnixAddr{Name: "there"}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	c, err := NewConn(fds[0], local, remote)
	if err != nil {
		t.Fatal(err)
	}
	if c.LocalAddr() != net.Addr(local) || c.RemoteAddr() != net.Addr(remote) {
		t.Errorf("it leads from %v to %v", c.LocalAddr(), c.RemoteAddr())
	}
	if n, err := c.Write([]byte("abc")); n != 3 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	b := make([]byte, 9)
	if n, err := unix.Read(fds[1], b); string(b[:max(n, 0)]) != "abc" || err != nil {
		t.Errorf("the peer got %q, %v", b[:max(n, 0)], err)
	}
	if n, err := unix.Read(fds[1], b); n != 0 || err != nil {
		t.Errorf("and then %d bytes, %v", n, err)
	}
	if _, err := c.Write([]byte("more")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing after the end: %v", err)
	}
	if _, err := unix.Write(fds[1], []byte("xyz")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(b); string(b[:n]) != "xyz" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	for name, miss := range map[string]func(time.Time) error{"both": c.SetDeadline, "reading": c.SetReadDeadline} {
		_ = miss(past())
		if _, err := c.Read(b); !isTimeout(err) {
			t.Errorf("past the deadline of %s: %v", name, err)
		}
		_ = miss(time.Time{})
	}
	_ = c.SetWriteDeadline(past())
	if _, err := c.Write(b); !isTimeout(err) {
		t.Errorf("past the deadline of writing: %v", err)
	}
	if err := c.Reset(); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"reset": c.Reset(), "finish": c.CloseWrite(), "close": c.Close()} {
		if err == nil {
			t.Errorf("a closed connection takes %s", name)
		}
	}
	if _, err := NewConn(-1, nil, nil); err == nil {
		t.Error("no descriptor is a connection")
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// How a connection is ended that must not look complete: by its own method, by that of the
// socket beneath, or by closing the socket first.
func TestAbortEndsTheSocketBeneathFirst(t *testing.T) {
	t.Parallel()
	var calls []string
	note := func(name string) noted { return noted{&calls, name} }
	for name, c := range map[string]struct {
		conn net.Conn
		want []string
	}{
		"by itself":           {resets{note("conn")}, []string{"conn reset", "bad file descriptor"}},
		"by what is beneath":  {over{note("conn"), resets{note("socket")}}, []string{"socket reset", "socket close", "conn close", "bad file descriptor"}},
		"by a linger of none": {over{note("conn"), lingers{note("socket")}}, []string{"socket linger 0", "socket close", "conn close"}},
		"by closing":          {over{note("conn"), note("socket")}, []string{"socket close", "conn close"}},
		"over nothing":        {over{note("conn"), nil}, []string{"conn close", "conn close"}},
	} {
		calls = nil
		if err := Abort(c.conn); err != nil {
			calls = append(calls, err.Error())
		}
		differ(t, name, c.want, calls)
	}
}

// noted is a connection that notes how it ends.
type noted struct {
	calls *[]string
	name  string
}

func (n noted) note(what string)               { *n.calls = append(*n.calls, n.name+" "+what) }
func (n noted) Close() error                   { n.note("close"); return nil }
func (noted) Read([]byte) (int, error)         { return 0, io.EOF }
func (noted) Write(b []byte) (int, error)      { return len(b), nil }
func (noted) LocalAddr() net.Addr              { return nil }
func (noted) RemoteAddr() net.Addr             { return nil }
func (noted) SetDeadline(time.Time) error      { return nil }
func (noted) SetReadDeadline(time.Time) error  { return nil }
func (noted) SetWriteDeadline(time.Time) error { return nil }

type resets struct{ noted }

func (r resets) Reset() error { r.note("reset"); return syscall.EBADF }

type lingers struct{ noted }

func (l lingers) SetLinger(sec int) error { l.note("linger " + string(rune('0'+sec))); return nil }

// over wraps another connection.
type over struct {
	noted
	beneath net.Conn
}

func (o over) NetConn() net.Conn { return o.beneath }

// The reason of an error is a reset in each of the kernel's words for it.
func TestTheKernelHasThreeWordsForAReset(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]Reason{
		syscall.ECONNRESET: Reset, syscall.EPIPE: Reset, syscall.ENOTCONN: Reset, syscall.ETIMEDOUT: Broken, io.ErrShortWrite: Broken,
	} {
		if got := reasonOf(err); got != want {
			t.Errorf("%v is %v", err, got)
		}
	}
}

// A limit counts from where the link's clock stands, whatever it was when the limit was
// set; and a reset of an end that the other half is stuck on is noticed by the probe.
func TestAHeadThatNobodyTakesIsACutAtTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		done := make(chan Result, 1)
		stuck := newDeaf()
		Start(Endpoint{Conn: newDeaf(), Head: []byte("head")}, Endpoint{Conn: stuck}, Options{Idle: 10 * time.Second, Done: func(r Result) { done <- r }})
		r := <-done
		differ(t, "result", Result{By: Up, Reason: Idle, Cut: true}, r)
		if after := time.Since(begun); after != 10*time.Second+windUp {
			t.Errorf("it ended after %v", after)
		}
	})
}

// A TCP connection of our own is reset for its peer, and says where it cannot be finished.
func TestAConnOfATCPDescriptorIsReset(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := l.Addr().(*net.TCPAddr)
	if err := errors.Join(unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: to.Port}), unix.SetNonblock(fd, true)); err != nil {
		t.Fatal(err)
	}
	c, err := NewConn(fd, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if err := c.Reset(); err != nil {
		t.Error(err)
	}
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads %v, want a reset", err)
	}
	alone, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = NewConn(alone, nil, nil); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.CloseWrite(); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("finishing what is not connected: %v", err)
	}
}

// A kill wakes who writes to an end that takes nothing, and who reads from one that says
// nothing: neither takes the second that is for connections without deadlines, and neither
// is taken for an end that has finished.
func TestAKillWakesBothHalvesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPiped(Options{})
		go func() { _, _ = p.client.Write([]byte("nobody reads this")) }()
		synctest.Wait()
		p.Kill(Drained)
		r, after := p.end()
		differ(t, "result", Result{Reason: Drained, Cut: true}, r)
		differ(t, "ended after", time.Duration(0), after)
	})
	down, client := unixPair(t)
	up, server := unixPair(t)
	defer unix.Close(client)
	defer unix.Close(server)
	done := make(chan Result, 1)
	Start(Endpoint{Conn: down}, Endpoint{Conn: up}, Options{Done: func(r Result) { done <- r }}).Kill(Unhealthy)
	differ(t, "of plain sockets", Result{Reason: Unhealthy}, <-done)
}

// A kill does not wait for what a broken end has sent to arrive, which may take for ever.
func TestAKillCutsTheWaitForDelivery(t *testing.T) {
	t.Parallel()
	down, client := tcpConns(t)
	up, server := tcpConns(t)
	defer server.Close()
	_ = up.SetWriteBuffer(512 << 10)
	_ = server.SetReadBuffer(4 << 10)
	done := make(chan Result, 1)
	l := start(Endpoint{Conn: down}, Endpoint{Conn: up}, Options{Linger: time.Hour, Done: func(r Result) { done <- r }}, probeEvery)
	const n = 128 << 10 // which fits between the two, and the server reads none of it
	if _, err := client.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	for sent, _ := l.Counts(); sent < n; sent, _ = l.Counts() {
		runtime.Gosched()
	}
	_ = client.SetLinger(0)
	_ = client.Close()
	for !l.ends[0].gone.Load() {
		runtime.Gosched()
	}
	l.Kill(Drained)
	if r := <-done; !r.Cut || r.Up != n {
		t.Errorf("result %+v, want the server cut", r)
	}
}

// tcpConns returns the two ends of a connection.
func tcpConns(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return in.(*net.TCPConn), out.(*net.TCPConn)
}
