package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

func TestAKillIsToldInEveryStage(t *testing.T) {
	t.Parallel()
	leave := func(p *probe) { p.Close(true) }
	rows := map[string]struct {
		like script
		want string
	}{
		"waiting":                  {script{start: forBytes, killed: leave}, "killed"},
		"waiting, and it does not": {script{start: forBytes}, "killed"},
		"connecting":               {dialing(Dial{Network: "tcp", Addr: deaf(t), Timeout: time.Hour}, "head"), "killed"},
		"relayed":                  {dialing(Dial{Network: "tcp", Addr: echo(t)}, "head"), "ended"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := probed(t, row.like)
			if row.want == "ended" {
				if _, err := io.ReadFull(c, make([]byte, 4)); err != nil { // all is as it is to be
					t.Fatal(err)
				}
			}
			for range 3 {
				p.Link().Kill(relay.Unhealthy)
			}
			if e := p.expect(t, row.want); e.reason != relay.Unhealthy && e.result.Reason != relay.Unhealthy {
				t.Errorf("%+v, want the reason of the Kill", e)
			}
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the client reads %v", err)
			}
			select {
			case e := <-p.events:
				t.Errorf("%+v was told afterwards", e)
			default:
			}
		})
	}
}

// Whoever kills before the client has its place is not forgotten.
func TestAKillBeforeTheStartIsTold(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	fd, addr := listening(t)
	p := &probe{script: script{start: forBytes, killed: func(p *probe) { p.Close(true) }}, events: make(chan event, 16)}
	mayGo := make(chan struct{})
	l, err := rs.Listen(fd, killer{p, mayGo})
	if err != nil {
		t.Fatal(err)
	}
	connectTo(t, addr)
	close(mayGo)
	p.expect(t, "start")
	if e := p.expect(t, "killed"); e.reason != relay.Drained {
		t.Errorf("killed for %v", e.reason)
	}
	<-l.Leave()
	_ = unix.Close(fd)
}

// killer kills its client while that is being accepted.
type killer struct {
	p     *probe
	mayGo chan struct{}
}

func (k killer) Accepted(Peer) *Client {
	<-k.mayGo
	k.p.Init(k.p)
	k.p.Link().Kill(relay.Drained)
	return &k.p.Client
}
func (killer) Failed(error) time.Duration { return 0 }

func TestADetachedClientIsAnOrdinarySocket(t *testing.T) {
	t.Parallel()
	fds := make(chan int, 1)
	detach := func(p *probe) {
		fd, err := p.Detach()
		if err != nil {
			t.Error(err)
		}
		if _, err := p.Detach(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("detaching again: %v", err)
		}
		if _, err := p.Recv(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("receiving afterwards: %v", err)
		}
		p.Close(true) // not its own any more
		fds <- fd
	}
	unanswered := dialing(Dial{Network: "tcp", Addr: deaf(t), Timeout: 10 * time.Millisecond}, "head")
	unanswered.told = detach
	stands := dialing(Dial{Network: "tcp", Addr: echo(t)}, "head")
	stands.start = func(p *probe) {
		if _, err := p.Dial(Dial{Network: "tcp", Addr: echo(t)}, []byte("head")); err != nil {
			t.Error(err)
		}
		detach(p)
	}
	for name, like := range map[string]script{
		"at the start": {start: detach},
		"waiting":      {start: forBytes, ready: detach},
		"due":          {start: func(p *probe) { p.Wait(time.Now()) }, ready: detach, due: detach},
		"after a dial": unanswered,
		"connected":    stands,
		"killed":       {start: func(p *probe) { p.Wait(time.Time{}); p.Link().Kill(1) }, killed: detach},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := probed(t, like)
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			var fd int
			select {
			case fd = <-fds:
			case <-time.After(time.Minute):
				t.Fatal("it was not detached")
			}
			p.Link().Kill(relay.Killed)
			f := file(t, fd)
			b := make([]byte, 5)
			if _, err := io.ReadFull(f, b); err != nil || string(b) != "hello" {
				t.Errorf("the goroutine received %q, then %v", b, err)
			}
			if _, err := f.WriteString("world"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "world" {
				t.Errorf("the client received %q, then %v", b, err)
			}
		})
	}
}

func TestASessionThatPanicsCostsItsClientOnly(t *testing.T) {
	t.Parallel()
	boom := func(*probe) { panic("boom") }
	silent := func(*probe) {}
	relays := dialing(Dial{Network: "tcp", Addr: refusing(t)}, "")
	relays.start = func(p *probe) { p.Relay(nil, relay.Options{}) }
	badly := dialing(Dial{Network: "tcp", Addr: deaf(t), Timeout: time.Millisecond}, "")
	badly.told = boom
	killed := script{start: func(p *probe) { p.Wait(time.Time{}); p.Link().Kill(1) }, killed: boom}
	for name, row := range map[string]struct {
		like  script
		calls []string
	}{
		"in Start":                     {script{start: boom}, nil},
		"in Ready":                     {script{start: forBytes, ready: boom}, []string{"ready"}},
		"in Due":                       {script{start: func(p *probe) { p.Wait(time.Now()) }, due: boom}, []string{"due"}},
		"in Connected":                 {badly, []string{"connected"}},
		"in Killed":                    {killed, []string{"killed"}},
		"by waiting for nothing":       {script{start: silent}, nil},
		"by relaying without upstream": {relays, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := probed(t, row.like)
			if slices.Equal(row.calls, []string{"ready"}) {
				if _, err := c.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range row.calls {
				p.expect(t, name)
			}
			p.expect(t, "panicked")
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the client reads %v, want a reset", err)
			}
		})
	}
}
