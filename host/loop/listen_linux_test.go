package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// gate accepts clients, one at a time at first, and closes them.
type gate struct {
	open     chan struct{} // closed: no more waiting
	inside   chan struct{} // somebody is being accepted
	accepted atomic.Int32
}

func (g *gate) Accepted(Peer) *Client {
	g.accepted.Add(1)
	g.inside <- struct{}{}
	<-g.open
	return nil
}

func (*gate) Failed(error) time.Duration { return time.Millisecond }

func TestLeaveAcceptsWhoeverTheKernelHasQueued(t *testing.T) {
	t.Parallel()
	const queued = 40 // more than a round accepts
	rs := newLoops(t, 2)
	fd, addr := listening(t)
	g := &gate{open: make(chan struct{}), inside: make(chan struct{}, queued)}
	l, err := rs.Listen(fd, g)
	if err != nil {
		t.Fatal(err)
	}
	clients := []net.Conn{connectTo(t, addr), connectTo(t, addr)}
	<-g.inside // a loop is held up, the other one may be as well
	for range queued - 2 {
		clients = append(clients, connectTo(t, addr))
	}
	left := l.Leave()
	select {
	case <-left:
		t.Error("left with clients in the queue")
	default:
	}
	close(g.open)
	<-left
	if n := g.accepted.Load(); n != queued {
		t.Errorf("%d of %d clients were accepted", n, queued)
	}
	for _, c := range clients {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a refused client reads %v, want the end", err)
		}
	}
	if l.Leave() != left {
		t.Error("leaving again gives another channel")
	}
	if err := unix.Close(fd); err != nil { // it was still ours
		t.Error(err)
	}
}

func TestCloseLeavesListenersAndKillsWhoWaits(t *testing.T) {
	t.Parallel()
	rs, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	fd, addr := listening(t)
	defer func() { _ = unix.Close(fd) }()
	a := &acceptAs{like: script{start: forBytes}, begun: make(chan *probe, 16), mayGo: make(chan struct{}, 16)}
	l, err := rs.Listen(fd, a)
	if err != nil {
		t.Fatal(err)
	}
	var waiting []*probe
	for range 5 {
		c := connectTo(t, addr)
		a.mayGo <- struct{}{}
		p := <-a.begun
		p.expect(t, "start")
		waiting = append(waiting, p)
		defer c.Close()
	}
	rs.Close()
	for _, p := range waiting {
		if e := p.expect(t, "killed"); e.reason != relay.Drained {
			t.Errorf("killed for %v", e.reason)
		}
	}
	<-l.Leave()
	if st := rs.Stats(); st != (Stats{Accepted: 5}) {
		t.Errorf("after Close the loops hold %+v", st)
	}
	if _, err := rs.Listen(fd, a); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listening after Close: %v", err)
	}
}

func TestOnlyAListeningSocketThatDoesNotBlockIsTaken(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	plain, _ := pair(t)
	blocks, _ := listening(t)
	if err := unix.SetNonblock(blocks, false); err != nil {
		t.Fatal(err)
	}
	for name, fd := range map[string]int{"none": -1, "one that is connected": plain, "one that blocks": blocks} {
		if _, err := rs.Listen(fd, &gate{}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	_, _ = unix.Close(plain), unix.Close(blocks)
}

// short panics for the first client, and refuses the others.
type short struct {
	once   sync.Once
	failed chan error
}

func (s *short) Accepted(Peer) *Client {
	s.once.Do(func() { panic("boom") })
	return nil
}

func (s *short) Failed(err error) time.Duration {
	s.failed <- err
	return time.Millisecond
}

func TestAnAcceptorThatPanicsCostsOneClient(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	fd, addr := listening(t)
	s := &short{failed: make(chan error, 1)}
	l, err := rs.Listen(fd, s)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := net.Dial("tcp", addr.String())
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the client reads %v", err)
		}
	}
	if err := <-s.failed; !errors.Is(err, relay.ErrPanic) {
		t.Errorf("failed with %v", err)
	}
	<-l.Leave()
	_ = unix.Close(fd)
}

// scarce counts how often it is told that accepting failed.
type scarce struct {
	acceptAs
	failed []error
}

func (s *scarce) Failed(err error) time.Duration {
	s.failed = append(s.failed, err)
	return time.Hour
}

// Not parallel: nobody else may want a descriptor meanwhile.
func TestWithoutDescriptorsAListenerIsLeftAlone(t *testing.T) {
	h := newByHand(t)
	fd, addr := listening(t)
	s := &scarce{acceptAs: acceptAs{like: script{start: func(p *probe) { p.Close(false) }}, begun: make(chan *probe, 1), mayGo: make(chan struct{}, 1)}}
	s.mayGo <- struct{}{}
	l := &Listener{fd: int32(fd), tcp: true, acceptor: s, loops: &Loops{}, left: make(chan struct{})}
	l.holders.Store(1)
	h.listen(l)
	c := connectTo(t, addr)
	restore := noDescriptors(t)
	h.mark(h.events[:poll(h.epoll, h.events[:])])
	h.admit()
	restore()
	if len(s.failed) != 1 || !errors.Is(s.failed[0], unix.EMFILE) {
		t.Fatalf("failed with %v, want EMFILE", s.failed)
	}
	if n := poll(h.epoll, h.events[:]); n != 0 {
		t.Errorf("%d events of a listener that is left alone", n)
	}
	if ms := h.patience(); ms <= 0 {
		t.Errorf("the loop would wait for %d ms", ms)
	}
	h.now = h.resumeAt
	h.resume()
	h.mark(h.events[:poll(h.epoll, h.events[:])])
	h.admit()
	(<-s.begun).expect(t, "start")
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client reads %v", err)
	}
	h.quit(l)
	h.admit()
	<-l.left
	_ = unix.Close(fd)
}

// noDescriptors lowers the limit to what is open.
func noDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	lowest, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(lowest)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest), Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}
}

// Not parallel: it closes standard input for a moment. On 1 and 2 Go turns a
// broken pipe into the end of the process.
func TestSocketsAreNoneOfTheFirstThreeDescriptors(t *testing.T) {
	kept, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Skip("there is no standard input")
	}
	_ = unix.Close(0)
	fd, errno := socket(unix.AF_INET)
	if err := unix.Dup3(kept, 0, 0); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(kept)
	if errno != 0 || fd <= 2 {
		t.Errorf("the socket is %d (%v)", fd, errno)
	}
	closeFD(fd, false)
}

func TestClientsOfAUnixSocketHaveNoAddress(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	a := newAdopter(t, rs)
	c := &unnamed{peer: make(chan netip.AddrPort, 1)}
	c.Init(c)
	a.waiting <- &c.adopted
	nobody, err := net.DialUnix("unix", nil, a.where)
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	if at := <-c.peer; at.IsValid() {
		t.Errorf("the local address is %v", at)
	}
}

// unnamed asks for its own address and ends.
type unnamed struct {
	adopted
	peer chan netip.AddrPort
}

func (c *unnamed) Start() {
	c.peer <- c.Local()
	c.Close(false)
}

// An idle client costs no goroutine, waiting or relayed. Not parallel: it counts.
func TestClientsHaveNoGoroutines(t *testing.T) {
	const each = 100
	rs := newLoops(t, 2)
	quiet, addr := listening(t) // nobody accepts: the kernel does
	defer func() { _ = unix.Close(quiet) }()
	at := serve(t, rs, &forwarder{dial: Dial{Network: "tcp", Addr: addr}})
	before := runtime.NumGoroutine()
	var clients []int
	for range 2 * each {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())})
		}
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, fd)
	}
	for _, fd := range clients[:each] {
		if _, err := unix.Write(fd, []byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		if st := rs.Stats(); st.Links == each && st.Waiting == each {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the loops hold %+v, want %d links and as many who wait", rs.Stats(), each)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d with %d clients", before, after, 2*each)
	}
	for _, fd := range clients {
		_ = unix.Close(fd)
	}
}
