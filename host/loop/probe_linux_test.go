package loop

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// probe is a session made of functions. What it was told goes to a channel as well.
type probe struct {
	Client
	script
	peer   Peer
	err    error // of the last Connected
	events chan event
}

// script is what a probe does; nil: nothing.
type script struct {
	start, ready, due, told, killed func(*probe) // told: Connected
}

// event is a call of a method.
type event struct {
	name   string
	err    error
	reason relay.Reason
	result relay.Result
}

func (p *probe) tell(e event, do func(*probe)) {
	p.events <- e
	if do != nil {
		do(p)
	}
}

func (p *probe) Start()                { p.tell(event{name: "start"}, p.start) }
func (p *probe) Ready()                { p.tell(event{name: "ready"}, p.ready) }
func (p *probe) Due()                  { p.tell(event{name: "due"}, p.due) }
func (p *probe) Killed(r relay.Reason) { p.tell(event{name: "killed", reason: r}, p.killed) }
func (p *probe) Ended(r relay.Result)  { p.tell(event{name: "ended", result: r}, nil) }
func (p *probe) Connected(err error) {
	p.err = err
	p.tell(event{name: "connected", err: err}, p.told)
}

func (p *probe) Panicked(v any, stack []byte) {
	p.tell(event{name: "panicked", err: fmt.Errorf("%v", v)}, nil)
}

// expect waits for the next call and checks its name.
func (p *probe) expect(t *testing.T, name string) event {
	t.Helper()
	select {
	case e := <-p.events:
		if e.name != name {
			t.Fatalf("%s was called (%+v), want %s", e.name, e, name)
		}
		return e
	case <-time.After(time.Minute):
		t.Fatalf("%s was not called", name)
	}
	return event{}
}

// forBytes waits: what most probes start with.
func forBytes(p *probe) { p.Wait(time.Time{}) }

// acceptAs serves every client with a probe.
type acceptAs struct {
	like  script
	begun chan *probe
	mayGo chan struct{} // the client knows that it is connected
}

func (a *acceptAs) Accepted(peer Peer) *Client {
	<-a.mayGo
	p := &probe{script: a.like, peer: peer, events: make(chan event, 16)}
	p.Init(p)
	a.begun <- p
	return &p.Client
}

func (*acceptAs) Failed(error) time.Duration { return time.Millisecond }

// probed has a new loop serve clients with probes, and connects one.
func probed(t *testing.T, like script) (p *probe, c *net.TCPConn) {
	t.Helper()
	rs := newLoops(t, 1)
	fd, addr := listening(t)
	a := &acceptAs{like: like, begun: make(chan *probe, 16), mayGo: make(chan struct{}, 1)}
	l, err := rs.Listen(fd, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		<-l.Leave()
		_ = unix.Close(fd)
		rs.Close()
		if st := rs.Stats(); st.Links+st.Waiting+st.Connecting != 0 {
			t.Errorf("the loops hold %+v", st)
		}
	})
	c = connectTo(t, addr)
	a.mayGo <- struct{}{}
	p = <-a.begun
	p.expect(t, "start")
	if local := c.LocalAddr().(*net.TCPAddr).AddrPort(); p.peer.Addr != local {
		t.Errorf("the peer is %v, want %v", p.peer.Addr, local)
	}
	return p, c
}

// refusing is an address where nobody listens, outside the range that the kernel
// connects from.
func refusing(t *testing.T) netip.AddrPort {
	t.Helper()
	return netip.MustParseAddrPort("127.0.0.1:1")
}

// deaf is a listener whose queue is full: attempts to connect stay unanswered.
func deaf(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, addr := listening(t)
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	for range 3 {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(c) })
		_ = unix.Connect(c, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(addr.Port())})
	}
	return addr
}
