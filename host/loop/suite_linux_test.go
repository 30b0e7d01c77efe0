package loop

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

// adopter is relay.Start by way of clients: somebody connects for nothing, and the
// session that is begun for him has the two sockets of the suite instead. From
// there on everything is as for any client.
type adopter struct {
	where   *net.UnixAddr
	waiting chan *adopted
}

// adopted is a link of the suite.
type adopted struct {
	Client
	fds   [2]int
	heads [2][]byte
	o     relay.Options
}

func newAdopter(t *testing.T, rs *Loops) *adopter {
	t.Helper()
	a := &adopter{
		where:   &net.UnixAddr{Net: "unix", Name: t.TempDir() + "/adopter"},
		waiting: make(chan *adopted, 1024),
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: a.where.Name})
	}
	if err == nil {
		err = unix.Listen(fd, 1024)
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := rs.Listen(fd, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		<-l.Leave()
		_ = unix.Close(fd)
	})
	return a
}

// Start has the contract of relay.Start.
func (a *adopter) Start(down, up relay.Endpoint, o relay.Options) *relay.Link {
	if !plain(down) || !plain(up) || !take(&down) || !take(&up) {
		return relay.Start(down, up, o)
	}
	c := &adopted{fds: [2]int{down.FD, up.FD}, heads: [2][]byte{down.Head, up.Head}, o: o}
	c.Init(c)
	a.waiting <- c
	nobody, err := net.DialUnix("unix", nil, a.where)
	if err != nil {
		panic(err)
	}
	_ = nobody.Close()
	return c.Link()
}

func (a *adopter) Accepted(Peer) *Client        { return &(<-a.waiting).Client }
func (*adopter) Failed(err error) time.Duration { panic(err) }

func (c *adopted) Start() {
	_, _, s := c.at()
	closeFD(s.ends[0].fd, false)
	for e := range s.ends {
		s.ends[e] = newEnd()
		s.ends[e].fd = int32(c.fds[e])
		s.ends[e].set(nagle)
		if domain, err := unix.GetsockoptInt(c.fds[e], unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && domain == unix.AF_UNIX {
			s.ends[e].flags = wary
		} else {
			s.ends[e].set(tcp)
		}
	}
	c.link.hold(1, c.heads[1])
	c.Relay(c.heads[0], c.o)
}

func (*adopted) Ready()          { panic("ready") }
func (*adopted) Due()            { panic("due") }
func (*adopted) Connected(error) { panic("connected") }

func (c *adopted) Killed(r relay.Reason) {
	c.Close(false)
	c.Ended(relay.Result{Reason: r})
}

func (c *adopted) Ended(res relay.Result) {
	if c.o.Done != nil {
		c.o.Done(res)
	}
}

func (*adopted) Panicked(v any, stack []byte) { panic(string(stack)) }

// Not parallel: the suite counts what the process holds.
func TestClientsPassTheSuite(t *testing.T) {
	rs := newLoops(t, 2)
	relaytest.Run(t, newAdopter(t, rs).Start)
	if st := rs.Stats(); st.Links+st.Waiting+st.Connecting != 0 || st.Accepted == 0 {
		t.Errorf("the loops hold %+v", st)
	}
}

func TestClientsPassTheSoak(t *testing.T) {
	relaytest.Soak(t, newAdopter(t, newLoops(t, 2)).Start, time.Second)
}
