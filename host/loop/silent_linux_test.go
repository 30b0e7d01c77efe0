//go:build !race

// The race detector keeps books of everything, so that memory is measured without it.

package loop

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// A pair whose peers are silent costs its slot and its handle: no goroutine,
// no buffer; and the same after it was busy.
func TestASilentPairHoldsLittle(t *testing.T) {
	const links, most = 2000, 1000
	rs := newLoops(t, 1)
	var far [links][2]int
	var near [links][2]relay.Endpoint
	for i := range far {
		near[i][0].FD, far[i][0] = pair(t)
		near[i][1].FD, far[i][1] = pair(t)
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	var held [links]*relay.Link
	for i := range near {
		held[i] = rs.Start(near[i][0], near[i][1], relay.Options{Idle: time.Hour})
	}
	ping := bytes.Repeat([]byte("x"), 64)
	for _, when := range []string{"fresh", "after all were busy"} {
		awaitLinks(t, rs, links)
		if more := runtime.NumGoroutine() - goroutines; more > 0 {
			t.Errorf("%s: %d goroutines more", when, more)
		}
		each := (int64(heap()) - int64(before)) / links
		t.Logf("%s: %d bytes a link", when, each)
		if each > most {
			t.Errorf("%s: %d bytes a link, want at most %d", when, each, most)
		}
		for i := range far {
			if _, err := unix.Write(far[i][0], ping); err != nil {
				t.Fatal(err)
			}
		}
		for i := range held {
			for up, _ := held[i].Counts(); up == 0; up, _ = held[i].Counts() {
				runtime.Gosched()
			}
		}
	}
	for i := range far {
		_, _ = unix.Close(far[i][0]), unix.Close(far[i][1])
	}
	awaitLinks(t, rs, 0)
	runtime.KeepAlive(&held)
	runtime.KeepAlive(&near)
}

// quietly relays its clients.
type quietly struct{ dial Dial }

func (q *quietly) Accepted(Peer) *Client {
	c := &atRest{q: q}
	c.Init(c)
	return &c.Client
}
func (*quietly) Failed(error) time.Duration { return time.Millisecond }

// atRest is the least that a client can be part of.
type atRest struct {
	Client
	q *quietly
}

func (c *atRest) Start() { c.Wait(time.Time{}) }
func (c *atRest) Ready() {
	if _, err := c.Recv(make([]byte, 1)); err != nil {
		c.Close(true)
		return
	}
	if _, err := c.Dial(c.q.dial, []byte("x")); err != nil {
		c.Close(true)
		return
	}
	c.Relay(nil, relay.Options{Idle: time.Hour})
}
func (c *atRest) Due()                 {}
func (c *atRest) Connected(error)      {}
func (c *atRest) Killed(relay.Reason)  {}
func (c *atRest) Ended(relay.Result)   {}
func (c *atRest) Panicked(any, []byte) {}

// A client costs its slot and its Client: waiting, relayed, and after it was busy.
func TestASilentClientHoldsLittle(t *testing.T) {
	const clients, most = 2000, 1000
	rs := newLoops(t, 1)
	quiet, addr := listening(t) // nobody accepts: the kernel does
	if err := unix.Listen(quiet, clients); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(quiet) }()
	fd, at := listening(t)
	var far [clients]int
	goroutines, before := runtime.NumGoroutine(), heap()
	l, err := rs.Listen(fd, &quietly{dial: Dial{Network: "tcp", Addr: addr}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range far {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(c, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())})
		}
		if err != nil {
			t.Fatal(err)
		}
		far[i] = c
	}
	for _, when := range []string{"waiting", "relayed"} {
		for st := rs.Stats(); when == "waiting" && st.Waiting != clients || when == "relayed" && st.Links != clients; st = rs.Stats() {
			runtime.Gosched()
		}
		if more := runtime.NumGoroutine() - goroutines; more > 0 {
			t.Errorf("%s: %d goroutines more", when, more)
		}
		each := (int64(heap()) - int64(before)) / clients
		t.Logf("%s: %d bytes a client", when, each)
		if each > most {
			t.Errorf("%s: %d bytes a client, want at most %d", when, each, most)
		}
		for _, c := range far {
			if _, err := unix.Write(c, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range far {
		_ = unix.Close(c)
	}
	<-l.Leave()
	_ = unix.Close(fd)
}

// heap returns the bytes of live objects and of stacks.
func heap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
