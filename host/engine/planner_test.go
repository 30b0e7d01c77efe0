package engine_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin/proxyprotocol"
	"dwaar.dev/dwaar/builtin/subroute"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// planner is a handler that needs no goroutine. What the fixture's plan says of an
// attempt is where it goes; without one, to the fixture's upstream.
type planner struct{ f *fixture }

func (p planner) Handle(ctx context.Context, c host.Conn, _ host.Next) error {
	return c.Connect(ctx, p)
}

func (p planner) Plan(c host.View, last error) (upstream.Dial, error) {
	if p.f.plan != nil {
		a := c.Attempts()
		if last != nil && a.By != any(last) { // the attempt before failed, and it was not asked since
			a.By = last
			a.At++
		}
		return p.f.plan(c, a.At, last)
	}
	return p.f.toUpstream(), nil
}

// PlanWait is asked where Plan says that it would block.
func (p planner) PlanWait(context.Context, host.View, error) (upstream.Dial, error) {
	p.f.waited.Add(1)
	return p.f.toUpstream(), nil
}

// toUpstream is an attempt to reach the fixture's upstream.
func (f *fixture) toUpstream() upstream.Dial {
	return upstream.Dial{
		Network: "tcp", Addr: f.upstream.Addr().(*net.TCPAddr).AddrPort(), Timeout: limit,
		Relay: relay.Options{Linger: time.Second},
	}
}

// deaf returns an address where nobody listens.
func deaf(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

func TestConnectionsOfAPlannerNeedNoGoroutine(t *testing.T) {
	if !inLoops {
		t.Skip("without event loops each has two")
	}
	f := start(t, nil)
	f.upstream = silent(t)
	f.load(serve("@a first aaa", "route @a {", "proxy", "}"))
	const n = 50
	before := runtime.NumGoroutine()
	for range n {
		f.dial().says("aaa", "")
	}
	await(t, "the relays", func() bool { return f.Stats().Phases[host.InRelay] == n })
	if more := runtime.NumGoroutine() - before; more > 2 {
		t.Errorf("%d connections have %d goroutines, want none", n, more)
	}
	if s := f.Stats(); s.Loops.Links != n {
		t.Errorf("%d links in event loops, want %d", s.Loops.Links, n)
	}
}

// TestConnectionsBehindAHeaderNeedNoGoroutine has clients at every place of the way: before
// and within a header, behind it in a matching phase, in one of a subroute, and relayed.
func TestConnectionsBehindAHeaderNeedNoGoroutine(t *testing.T) {
	if !inLoops {
		t.Skip("without event loops each has one")
	}
	f := start(t, nil)
	f.upstream = silent(t)
	f.registry.Handler(proxyprotocol.Spec(), proxyprotocol.New)
	f.registry.Handler(subroute.Spec(), subroute.New)
	f.load(serve("matching_timeout 60s", "route {", "proxy_protocol {", "timeout 60s", "}", "}", "@s first s", "route @s {", "subroute {", "matching_timeout 60s",
		"@a first saa", "route @a {", "proxy", "}", "}", "}", "@b first bbb", "route @b {", "proxy", "}"))
	const n = 20
	before := runtime.NumGoroutine()
	sent := []string{"", "PROXY TCP4", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n", "PROXY UNKNOWN\r\ns", "PROXY UNKNOWN\r\nsaa", "PROXY UNKNOWN\r\nbbb", "bbb"}
	for range n {
		for _, text := range sent {
			f.dial().says(text, "")
		}
	}
	await(t, "the relays and those that wait", func() bool {
		s := f.Stats()
		return s.Phases[host.InRelay] == 3*n && s.Phases[host.InHandling] == 4*n
	})
	if more := runtime.NumGoroutine() - before; more > 2 {
		t.Errorf("%d connections have %d goroutines, want none", n*len(sent), more)
	}
}

// silent is an upstream that accepts and says nothing. It has no goroutine.
func silent(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // its queue takes them all
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestHeadsArePassedOnOnceHoweverTheyArrive(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load(serve("@a first aaa", "route @a {", "proxy", "}", "@b first bbbb", "route @b {", "proxy", "}"))
	at := f.dial()
	at.says("aaa and more", "aaa and more")
	at.says("again", "again")
	c := f.dial()
	for _, part := range []string{"b", "b", "b", "b!"} {
		c.says(part, "")
		await(t, "the byte to be looked at", func() bool { return f.Stats().HeadBytes > 0 || f.Stats().Phases[host.InRelay] == 2 })
	}
	c.hears("bbbb!")
	for _, one := range []*client{at, c} {
		one.Close()
	}
	f.ended("client.relay.closed", 2)
	if s := f.Stats(); s.Up != 22 || s.Down != 22 {
		t.Errorf("relayed %d bytes up and %d down, want 22 each", s.Up, s.Down)
	}
}

func TestAPlannerIsAskedAgainUntilAnUpstreamStands(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	nobody := deaf(t)
	var errs []error
	var mu sync.Mutex
	f.plan = func(_ host.View, attempt int, last error) (upstream.Dial, error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, last)
		d := f.toUpstream()
		if attempt < 2 {
			d.Addr = nobody
		}
		return d, nil
	}
	f.load(serve("@a first aaa", "route @a {", "proxy", "}", "route {", "proxy", "}"))
	f.dial().says("aaa", "aaa")
	mu.Lock()
	defer mu.Unlock()
	if len(errs) != 3 || errs[0] != nil || !errors.Is(errs[1], syscall.ECONNREFUSED) || !errors.Is(errs[2], syscall.ECONNREFUSED) {
		t.Errorf("it was asked after %v", errs)
	}
	if lines := f.lines("connection"); len(lines) != 0 {
		t.Errorf("lines before the end: %v", lines)
	}
}

func TestAPlannerEndsTheConnection(t *testing.T) {
	f := start(t, nil)
	f.plan = func(host.View, int, error) (upstream.Dial, error) {
		return upstream.Dial{}, host.End(host.ByProxy, host.Unavailable, nil)
	}
	f.load(serve("route {", "proxy", "}"))
	f.dial().isEnded()
	f.ended("proxy.connect.unavailable", 1)
}

func TestPlansThatBlockGoOnInAGoroutine(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	nobody := deaf(t)
	f.plan = func(_ host.View, attempt int, _ error) (upstream.Dial, error) {
		d := f.toUpstream()
		d.Addr = nobody
		if attempt == 1 {
			return upstream.Dial{}, host.ErrBlocks
		}
		return d, nil
	}
	f.load(serve("@a first aaa", "route @a {", "proxy", "}"))
	c := f.dial()
	c.says("aaa and more", "aaa and more")
	c.Close()
	f.ended("client.relay.closed", 1)
	if n := f.waited.Load(); n != 1 {
		t.Errorf("PlanWait was asked %d times, want once", n)
	}
}

func TestAttemptsThatWaitAreMadeInAGoroutine(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.plan = func(host.View, int, error) (upstream.Dial, error) {
		d := f.toUpstream()
		d.After = time.Millisecond
		return d, nil
	}
	f.load(serve("@a first aaa", "route @a {", "proxy", "}"))
	f.dial().says("aaa", "aaa")
}

func TestWhatGoesFirstIsSentBeforeTheHead(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.plan = func(host.View, int, error) (upstream.Dial, error) {
		d := f.toUpstream()
		d.First = []byte("PROXY ")
		return d, nil
	}
	f.load(serve("@a first aaa", "route @a {", "proxy", "}"))
	f.dial().says("aaa", "PROXY aaa")
}

func TestKillsFindConnectionsInEveryPhase(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load(serve("matching_timeout 0", "@a first aaa", "route @a {", "proxy", "}", "@b first bbb", "route @b {", "echo", "}"))
	matching, handling, relaying := f.dial(), f.dial(), f.dial()
	matching.says("a", "")
	handling.says("bbb", "bbb")
	relaying.says("aaa", "aaa")
	await(t, "each in its phase", func() bool {
		p := f.Stats().Phases
		return p[host.InMatching] == 1 && p[host.InHandling] == 1 && p[host.InRelay] == 1
	})
	for _, c := range f.Conns() {
		if !f.Kill(c.ID) {
			t.Errorf("connection %d is not there", c.ID)
		}
	}
	for _, c := range []*client{matching, handling, relaying} {
		c.isEnded()
	}
	f.ended("operator.matching.killed", 1)
	f.ended("operator.handling.killed", 1)
	f.ended("operator.relay.killed", 1)
}

func TestAKillFindsAConnectionWhoseUpstreamDoesNotAnswer(t *testing.T) {
	f := start(t, nil)
	mute := full(t)
	up := upstream.New(mute.String(), upstream.Options{})
	f.plan = func(host.View, int, error) (upstream.Dial, error) {
		up.Acquire(0)
		return upstream.Dial{Network: "tcp", Addr: mute, Timeout: limit, Up: up}, nil
	}
	f.load(serve("route {", "proxy", "}"))
	c := f.dial()
	await(t, "the attempt", func() bool { return f.Stats().Phases[host.InConnect] == 1 })
	f.Kill(f.Conns()[0].ID)
	c.isEnded()
	f.ended("operator.connect.killed", 1)
	if n := up.Conns(); n != 0 {
		t.Errorf("the upstream has %d connections, want none", n)
	}
}

// full returns an address that takes no more connections: its queue is full, and the
// kernel lets those who come wait.
func full(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*syscall.SockaddrInet4).Port))
	for { // until one waits
		c, err := net.DialTimeout("tcp", at.String(), 200*time.Millisecond)
		if err != nil {
			return at
		}
		t.Cleanup(func() { c.Close() })
	}
}

// bomb is a matcher with a defect.
type bomb struct{}

func (bomb) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if len(f.Head) == 0 {
		return sdk.Need(1), nil
	}
	if f.Head[0] == 'x' {
		panic("on purpose")
	}
	return sdk.No, nil
}

func TestADefectOfAMatcherOrPlannerCostsItsConnection(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.plan = func(c host.View, _ int, _ error) (upstream.Dial, error) {
		if string(c.Flow().Head) == "aaax" {
			panic("on purpose")
		}
		return f.toUpstream(), nil
	}
	f.load(serve("@x bomb", "route @x {", "echo", "}", "@a first aaa", "route @a {", "proxy", "}"))
	good := f.dial()
	good.says("aaa", "aaa")
	for _, text := range []string{"x", "aaax"} {
		c := f.dial()
		c.says(text, "")
		c.isEnded()
	}
	good.says("still here", "still here")
	f.ended("proxy.matching.panicked", 1)
	f.ended("proxy.connect.panicked", 1)
	if n := f.Stats().Panics; n != 2 {
		t.Errorf("%d panics are counted, want 2", n)
	}
}

func TestAnUpstreamThatSpeaksFirstAndLeavesIsHeard(t *testing.T) {
	f := start(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.upstream = ln
	f.served.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 ready"))
			_ = c.Close()
		}
	})
	f.load(serve("matching_timeout 5ms", "@a first aaa", "route @a {", "echo", "}", "route {", "proxy", "}"))
	for range 50 {
		c := f.dial()
		c.hears("220 ready")
		c.isEnded()
		c.Close()
	}
}

// A header is this program's, not the client's.
func TestTheHeaderOfAnAttemptIsNotCounted(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.plan = func(host.View, int, error) (upstream.Dial, error) {
		d := f.toUpstream()
		d.First = []byte("PROXY ")
		return d, nil
	}
	f.load(serve("@a first aaa", "route @a {", "proxy", "}"))
	c := f.dial()
	c.says("aaa", "PROXY aaa")
	await(t, "the bytes to be counted", func() bool {
		is := f.Conns()
		return len(is) == 1 && is[0].Up == 3 && is[0].Down == 9
	})
	c.Close()
	f.ended("client.relay.closed", 1)
	if s := f.Stats(); s.Up != 3 || s.Down != 9 {
		t.Errorf("at the end: %d bytes up and %d down, want 3 and 9", s.Up, s.Down)
	}
}

// A client that is routed before its first byte may have gone by then. Where it goes
// on in a goroutine, the reset is not forgotten.
func TestAResetBeforeTheFirstByteIsNoOrderlyEnd(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "after a pause": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			one := func(o *engine.Options) {
				if inLoops {
					o.Loops = someLoops(t, 1)
				}
			}
			f := start(t, one)
			f.echoes()
			var first atomic.Bool
			planning, goOn := make(chan struct{}), make(chan struct{})
			f.plan = func(host.View, int, error) (upstream.Dial, error) {
				if first.CompareAndSwap(false, true) { // the loop is held up
					close(planning)
					<-goOn
				}
				d := f.toUpstream()
				d.After = after
				return d, nil
			}
			f.load(serve("route {", "proxy", "}"))
			f.dial()
			<-planning
			const n = 70 // a loop does not look at each of them at once
			for range n {
				f.dial().resets()
			}
			close(goOn)
			await(t, "the end of all but one", func() bool { return f.Stats().Accepted == n+1 && f.Stats().Active == 1 })
			if by := codes(f.Stats()); by["client.relay.reset"]+by["client.connect.reset"] != n {
				t.Errorf("they ended as %v, want %d resets by the client", by, n)
			}
		})
	}
}

// resets ends the connection with a reset, and waits until the kernel has told.
func (c *client) resets() {
	c.t.Helper()
	if err := errors.Join(c.Conn.(*net.TCPConn).SetLinger(0), c.Close()); err != nil {
		c.t.Fatal(err)
	}
}
