package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

func TestWhatAHandlerChargesCountsUntilItIsGivenBack(t *testing.T) {
	t.Parallel()
	room := new(atomic.Int64)
	room.Store(100)
	x, _ := serveWithin(t, new(Heads), 1024, room)
	if err := x.c.Charge(60); err != nil || x.held.Load() != 60 {
		t.Errorf("charging 60 of 100: %v, %d are held", err, x.held.Load())
	}
	if err := x.c.Charge(60); !errors.Is(err, host.ErrNoMemory) || x.held.Load() != 60 {
		t.Errorf("charging 60 of 40: %v, %d are held", err, x.held.Load())
	}
	if err := x.c.Charge(-60); err != nil || x.held.Load() != 0 {
		t.Errorf("giving 60 back: %v, %d are held", err, x.held.Load())
	}
}

func TestDescriptorsOfAHandlerCountUntilTheyAreGivenBackOnce(t *testing.T) {
	t.Parallel()
	x, _ := serve(t, new(Heads), 1024)
	x.most = 5
	s := x.c.(host.Spender)
	giveBack, err := s.Spend(3)
	if err != nil || x.spent.Load() != 3 {
		t.Fatalf("3 of 5: %v, %d are counted", err, x.spent.Load())
	}
	if _, err := s.Spend(3); !upstream.LocalFault(err) || !errors.Is(err, syscall.EMFILE) || x.spent.Load() != 3 {
		t.Errorf("3 of 2: %v, %d are counted", err, x.spent.Load())
	}
	giveBack()
	giveBack()
	if n := x.spent.Load(); n != 0 {
		t.Errorf("%d are counted after all are given back", n)
	}
}

// serveRoutes begins a session of the world's graph in a goroutine, which owns sock.
func (x *served) serveRoutes(t *testing.T, w *world, sock net.Conn) {
	t.Helper()
	x.outcomes, x.gone = make(chan host.Outcome, 2), make(chan struct{})
	w.graph.Retain()
	f := sdk.Flow{MaxHead: 256, Network: "tcp", Accepted: time.Now(), Listener: ":1", Remote: netip.MustParseAddrPort("192.0.2.1:1000")}
	x.Init(&Env{Heads: w.heads, Log: slog.New(slog.DiscardHandler), Life: t.Context()}, x, &Begin{ID: 1, Flow: f, Routes: w.routes, Graph: w.graph})
	go func() {
		defer close(x.gone)
		x.Serve(sock, nil)
	}()
}

// toEcho plans attempts to reach an echo server, each with a header.
type toEcho struct {
	addr   netip.AddrPort
	header string
	after  time.Duration
}

func (p toEcho) Handle(ctx context.Context, c host.Conn, _ host.Next) error { return c.Connect(ctx, p) }

func (p toEcho) Plan(host.View, error) (upstream.Dial, error) {
	return upstream.Dial{Network: "tcp", Addr: p.addr, First: []byte(p.header), Timeout: limit, After: p.after}, nil
}

// EchoServer is an upstream that sends back what it gets.
func EchoServer(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

func TestAGoroutineDrivesASessionThroughEveryAct(t *testing.T) {
	t.Parallel()
	to := EchoServer(t)
	for name, c := range map[string]struct {
		config string
		plan   host.Planner
		pieces []string
		heard  string
		code   string
		up     int64
	}{
		"matched, dialled and relayed": {stepsConfig, toEcho{to, "PROXY ", 0}, []string{"p", "p!"}, "PROXY pp!", "client.relay.closed", 3},
		"looked for, and dialled":      {openConfig, toEcho{to, "", 0}, []string{"abc"}, "abc", "client.relay.closed", 3},
		"landed":                       {stepsConfig, toEcho{to, "PROXY ", time.Millisecond}, []string{"pp", "!"}, "PROXY pp!", "client.relay.closed", 3},
		"handled":                      {stepsConfig, nowhere{}, []string{"hhh"}, "", "proxy.handling.closed", 0},
		"taken by no route":            {stepsConfig, nowhere{}, []string{"x"}, "", "proxy.matching.no_route", 0},
		"refused":                      {openConfig, nowhere{}, nil, "", "proxy.connect.failed", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := plannedWorld(t, c.config, c.plan, nil)
			client, server := sockets(t)
			x := new(served)
			x.serveRoutes(t, w, server)
			for _, piece := range c.pieces {
				send(t, client, piece)
			}
			heard := make([]byte, len(c.heard))
			if _, err := io.ReadFull(client, heard); err != nil || string(heard) != c.heard {
				t.Errorf("heard %q, %v; want %q", heard, err, c.heard)
			}
			_ = client.CloseWrite()
			if rest, err := io.ReadAll(client); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("then %q, %v", rest, err)
			}
			if o := x.outcome(t); o.Code.String() != c.code || o.Up != c.up {
				t.Errorf("ended with %v after %d bytes: %v; want %s after %d", o.Code, o.Up, o.Err, c.code, c.up)
			}
			if n := w.heads.Used() + x.held.Load(); n != 0 {
				t.Errorf("%d bytes are held", n)
			}
		})
	}
}

// nowhere has no attempt to plan.
type nowhere struct{}

func (nowhere) Handle(ctx context.Context, c host.Conn, _ host.Next) error {
	return c.Connect(ctx, nowhere{})
}

func (nowhere) Plan(host.View, error) (upstream.Dial, error) {
	return upstream.Dial{}, errors.New("nowhere to go")
}

// A deny in a subroute turns away as one of the listener does, with a reset where it says
// so; and a phase leaves no deadline behind.
func TestAnInnerPhaseChoosesAndDenies(t *testing.T) {
	t.Parallel()
	const denies = "layer4 {\n:1 {\n@d prefix ddd\ndeny @d\nroute {\nhandle\n}\n}\n}\n"
	for name, c := range map[string]struct {
		config, text string
		route, code  string
		reset        bool
	}{
		"a route":           {denies, "hello", "Dwaarfile:5:1", "proxy.handling.closed", false},
		"a deny":            {denies, "ddd", "", "proxy.handling.denied", false},
		"a deny by a reset": {denyConfig, "ddd", "", "proxy.handling.denied", true},
		"no route":          {denyConfig, "hello", "none", "proxy.handling.closed", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := worldOf(t, c.config, nil)
			x, route := new(served), ""
			client := x.run(t, new(Heads), 1024, func(_ context.Context, h host.Conn) error {
				r, err := h.(*conn).Choose(w.routes)
				switch {
				case r != nil:
					route = *r.Title()
				case err == nil:
					route = "none"
				}
				return err
			})
			send(t, client, c.text)
			if o := x.outcome(t); o.Code.String() != c.code || route != c.route {
				t.Errorf("route %q, ended with %v (%v); want %q, %s", route, o.Code, o.Err, c.route, c.code)
			}
			if _, err := client.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNRESET) != c.reset {
				t.Errorf("the client reads %v", err)
			}
		})
	}
}

// An inner phase whose head cannot grow ends as an outer one would.
func TestAnInnerPhaseEndsWhereItsHeadDoes(t *testing.T) {
	t.Parallel()
	w := worldOf(t, stepsConfig, nil)
	for name, c := range map[string]struct {
		room int64
		said string // and consumed before the phase
		do   func(*net.TCPConn)
		code string
	}{
		"a reset":   {1 << 20, "x", func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }, "client.handling.reset"},
		"the end":   {1 << 20, "x", func(c *net.TCPConn) { _ = c.CloseWrite() }, "proxy.handling.no_route"},
		"a probe":   {1 << 20, "", func(c *net.TCPConn) { _ = c.Close() }, "client.handling.probe"},
		"no memory": {0, "", func(c *net.TCPConn) {}, "proxy.handling.cap"},
	} {
		x := &served{room: new(atomic.Int64)}
		x.room.Store(c.room)
		consumed := make(chan struct{})
		client := x.run(t, w.heads, 1024, func(_ context.Context, h host.Conn) error {
			if err := h.Peek(len(c.said)); err != nil {
				return err
			}
			h.Discard(len(c.said))
			close(consumed)
			r, err := h.(*conn).Choose(w.routes)
			if r == nil && err == nil {
				err = host.ErrNoRoute
			}
			return err
		})
		if _, err := client.Write([]byte(c.said)); err != nil {
			t.Fatal(err)
		}
		<-consumed
		c.do(client)
		if o := x.outcome(t); o.Code.String() != c.code {
			t.Errorf("%s: ended with %v (%v), want %s", name, o.Code, o.Err, c.code)
		}
	}
}

// An inner phase has the socket's deadline for itself: it is over with the phase.
func TestTheDeadlineOfAnInnerPhaseIsOverWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := worldOf(t, "layer4 {\n:1 {\nmatching_timeout 5s\n@d prefix ddd\nroute @d {\nhandle\n}\n}\n}\n", nil)
		for _, c := range []struct {
			text  string
			after time.Duration // until the phase is over
			found bool
		}{{"ddd", 0, true}, {"d", 5 * time.Second, false}, {"x", 0, false}} {
			client, server := net.Pipe()
			x := &served{outcomes: make(chan host.Outcome, 1)}
			x.Init(&Env{Heads: w.heads, Log: slog.New(slog.DiscardHandler)}, x, &Begin{ID: 1, Flow: sdk.Flow{MaxHead: 1024, Accepted: time.Now()}})
			begun := time.Now()
			go func() {
				_, _ = io.WriteString(client, c.text)
				time.Sleep(time.Hour)
				_, _ = io.WriteString(client, "late")
			}()
			x.Serve(server, func(_ context.Context, h host.Conn) error {
				r, err := h.(*conn).Choose(w.routes)
				if took := time.Since(begun); (r != nil) != c.found || err != nil || took != c.after {
					t.Errorf("%q: found %v, %v after %v", c.text, r != nil, err, took)
				}
				if final := h.(*conn).s.Final(); (final != nil) != (c.after > 0) {
					t.Errorf("%q: it ended for %v", c.text, final)
				}
				if err := h.Peek(len(c.text) + 4); err != nil || time.Since(begun) != time.Hour {
					t.Errorf("%q: the next bytes came with %v after %v", c.text, err, time.Since(begun))
				}
				return nil
			})
			_ = client.Close()
		}
	})
}

func TestAConnAsANetConnGivesTheHeadAndThenTheRest(t *testing.T) {
	t.Parallel()
	x, client := serve(t, new(Heads), 1024)
	send(t, client, "head")
	if err := x.c.Peek(4); err != nil {
		t.Fatal(err)
	}
	n := x.c.Net()
	b := make([]byte, 3)
	for _, want := range []string{"hea", "d"} {
		if k, err := n.Read(b); err != nil || string(b[:k]) != want {
			t.Errorf("read %q, %v; want %q", b[:k], err, want)
		}
	}
	send(t, client, "more")
	if k, err := n.Read(b); err != nil || string(b[:k]) != "mor" || len(x.c.Head()) != 0 {
		t.Errorf("read %q, %v; the head is %q", b[:k], err, x.c.Head())
	}
	if err := n.(relay.CloseWriter).CloseWrite(); err != nil {
		t.Error(err)
	}
	if _, err := client.Read(b); err != io.EOF {
		t.Errorf("the client reads %v, want the end", err)
	}
	send(t, client, "even now")
	if rest, _ := io.ReadAll(io.LimitReader(n, 9)); string(rest) != "eeven now" {
		t.Errorf("read %q after the end was sent", rest)
	}
	pipe, _ := net.Pipe()
	if err := (&stream{pipe, x.c.(*conn)}).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a pipe: %v", err)
	}
	if n.(relay.NetConner).NetConn() != x.c.(*conn).sock {
		t.Error("the socket beneath is another one")
	}
}

// What ended the stream while the head was read is told again to whom reads on.
func TestTheEndBehindAHeadIsReadBehindIt(t *testing.T) {
	t.Parallel()
	x, client := serve(t, new(Heads), 1024)
	send(t, client, "ab")
	_ = client.CloseWrite()
	if err := x.c.Peek(3); err != io.EOF {
		t.Fatalf("peeking: %v", err)
	}
	got, err := io.ReadAll(x.c.Net())
	if err != nil || string(got) != "ab" {
		t.Errorf("read %q, %v", got, err)
	}
	x.c.Discard(1000)
	if err := x.c.Peek(1); err != io.EOF {
		t.Errorf("peeking after the end: %v", err)
	}
}

// A client whose bytes only a handler has read is no silent one.
func TestWhoWasReadByAHandlerWasHeard(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sends  string
		read   func(host.Conn) error
		silent bool
	}{
		"read":            {"x", func(c host.Conn) error { _, err := c.Net().Read(make([]byte, 1)); return err }, false},
		"peeked":          {"x", func(c host.Conn) error { return c.Peek(1) }, false},
		"nothing to read": {"", func(c host.Conn) error { _ = c.Peek(1); return nil }, true},
	} {
		x := new(served)
		client := x.run(t, new(Heads), 1024, func(_ context.Context, h host.Conn) error {
			if err := c.read(h); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			return host.End(host.ByClient, host.Closed, nil)
		})
		send(t, client, c.sends)
		_ = client.CloseWrite()
		if o := x.outcome(t); o.Silent != c.silent {
			t.Errorf("%s: silent %v", name, o.Silent)
		}
	}
}

// A relay gets what a handler has not consumed, and the phase of the session is the
// relay's from then on.
func TestAHandlerGivesItsConnectionToARelay(t *testing.T) {
	t.Parallel()
	heads := new(Heads)
	x := new(served)
	up, far := sockets(t)
	client := x.run(t, heads, 1024, func(_ context.Context, c host.Conn) error {
		if err := c.Peek(6); err != nil {
			return err
		}
		c.Discard(2)
		if c.Given() {
			t.Error("it is given before it was")
		}
		err := c.Relay(relay.Endpoint{Conn: up}, relay.Options{})
		c.Enter(host.InHandling) // too late
		if s := c.(*conn).s; !c.Given() || s.State() != Relaying && s.State() != Ended {
			t.Errorf("given %v, and it is %v", c.Given(), s.State())
		}
		return err
	})
	send(t, client, "abcdef")
	b := make([]byte, 4)
	if _, err := io.ReadFull(far, b); err != nil || string(b) != "cdef" {
		t.Errorf("the upstream got %q, %v", b, err)
	}
	if heads.Used() != 0 || x.held.Load() != 0 {
		t.Errorf("%d bytes of head are lent, %d are charged", heads.Used(), x.held.Load())
	}
	send(t, far, "answer")
	waitUntil(t, func() bool { up, down := x.Counts(); return up == 4 && down == 6 })
	x.Kill(host.ByOperator, host.Drained)
	if o := x.outcome(t); o.Code.String() != "operator.relay.drained" || o.Up != 4 || o.Down != 6 {
		t.Errorf("ended with %v after %d and %d bytes", o.Code, o.Up, o.Down)
	}
}

func TestAPanicAfterASessionIsGivenIsNotItsEnd(t *testing.T) {
	t.Parallel()
	x := new(served)
	up, far := sockets(t)
	client := x.run(t, new(Heads), 1024, func(_ context.Context, c host.Conn) error {
		_ = c.Relay(relay.Endpoint{Conn: up}, relay.Options{})
		panic("too late")
	})
	send(t, client, "still here")
	if _, err := io.ReadFull(far, make([]byte, 10)); err != nil {
		t.Errorf("the upstream reads %v", err)
	}
	_ = client.Close()
	_ = far.Close()
	if o := x.outcome(t); o.Code.Why == host.Panicked {
		t.Errorf("ended with %v", o.Code)
	}
}

func TestAPanicClosesTheSocketAndIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	_, server := sockets(t)
	x := &served{outcomes: make(chan host.Outcome, 1)}
	x.Init(&Env{Heads: new(Heads), Log: slog.New(slog.NewTextHandler(&log, nil))}, x, &Begin{ID: 77, Flow: sdk.Flow{MaxHead: 10}})
	x.Serve(server, func(context.Context, host.Conn) error { panic("on purpose") })
	if o := <-x.outcomes; o.Code.String() != "proxy.handling.panicked" || !strings.Contains(o.Err.Error(), "on purpose") {
		t.Errorf("ended with %v: %v", o.Code, o.Err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket: %v", err)
	}
	for _, want := range []string{"conn=77", `panic="on purpose"`, "parts_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, log.String())
		}
	}
}

// What a handler keeps of a connection that has ended is not the next one's.
func TestASetupThatAHandlerMayHoldIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	heads := new(Heads)
	for range 20 { // the pool may forget
		x, _ := serve(t, heads, 1024)
		kept := x.c
		kept.Put("vars", "whose", "the first one's")
		x.end(t, nil)
		y, _ := serve(t, heads, 2048)
		y.c.Put("vars", "whose", "the second one's")
		if kept.Flow() == y.c.Flow() || kept.Flow().MaxHead != 1024 {
			t.Fatal("a connection that has ended is another one now")
		}
		y.end(t, nil)
	}
}

// One that no handler has seen is used again, with nothing of its last session.
func TestASetupThatNobodyHoldsIsUsedAgain(t *testing.T) {
	t.Parallel()
	w := worldOf(t, stepsConfig, nil)
	var was []*setup
	again := false
	for id := uint64(1); id < 100 && !again; id++ { // the pool may forget
		x := w.begin(id)
		for _, u := range was {
			again = again || u == x.setup
		}
		was = append(was, x.setup)
		if x.setup.route != nil || x.setup.final != nil || x.setup.facts.Len() != 0 || x.setup.need != 0 || len(x.setup.flow.Head) != 0 || x.setup.heard {
			t.Fatalf("something of the last session is left: %+v", x.setup)
		}
		x.say(t, "began")
		x.say(t, "received pp+EOF")
		x.tell(Input{Event: Killed})
		x.say(t, "closed")
	}
	if !again {
		t.Error("every session has a setup of its own")
	}
}

func TestWhereAnAttemptLeadsIsWhatTheOtherEndCallsItself(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1:80": "127.0.0.1:80", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "[::1]:80", "[::ffff:10.0.0.1]:80": "10.0.0.1:80",
		"[fe80::1%lo]:80": "[fe80::1]:80",
	} {
		if got := leadsTo(&upstream.Dial{Network: "tcp", Addr: netip.MustParseAddrPort(addr)}); got != want {
			t.Errorf("%s leads to %s, want %s", addr, got, want)
		}
	}
	if got := leadsTo(&upstream.Dial{Network: "unix", Path: "/run/a"}); got != "" {
		t.Errorf("a Unix socket leads to %s", got)
	}
}

func TestALoopIsWarnedOfNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hops Hops
		for i, step := range []struct {
			wait time.Duration
			want bool
		}{{0, true}, {0, false}, {warnApart - 1, false}, {1, true}, {time.Second, false}} {
			time.Sleep(step.wait)
			if hops.mayWarn() != step.want {
				t.Errorf("warning %d", i+1)
			}
		}
	})
}

func TestAConnectionMayComeFromHereUnlessItsAddressSaysOtherwise(t *testing.T) {
	t.Parallel()
	local := netip.MustParseAddrPort("192.0.2.1:443")
	for name, c := range map[string]struct {
		remote  netip.AddrPort
		proxied bool
		want    bool
	}{
		"a Unix socket": {netip.AddrPort{}, false, true},
		"loopback":      {netip.MustParseAddrPort("127.0.0.9:1"), false, true},
		"itself":        {netip.MustParseAddrPort("192.0.2.1:9"), false, true},
		"elsewhere":     {netip.MustParseAddrPort("192.0.2.2:443"), false, false},
		"who knows":     {netip.MustParseAddrPort("192.0.2.2:443"), true, true},
	} {
		if got := near(&sdk.Flow{Local: local, Remote: c.remote, Proxied: c.proxied}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Attempts that lead to a listener of this program are followed: they land.
func TestOnlyAttemptsThatLeadHomeAreFollowed(t *testing.T) {
	t.Parallel()
	ours, theirs := netip.MustParseAddrPort("192.0.2.9:1"), netip.MustParseAddrPort("192.0.2.10:1")
	var asked []bool
	env := Env{
		Heads: new(Heads), Log: slog.New(slog.DiscardHandler),
		Own:     func(a netip.AddrPort, near bool) bool { asked = append(asked, near); return a == ours },
		OwnPath: func(path string, near bool) bool { asked = append(asked, near); return path == "/ours" },
	}
	tcp := func(a netip.AddrPort) upstream.Dial { return upstream.Dial{Network: "tcp", Addr: a} }
	unix := func(path string) upstream.Dial { return upstream.Dial{Network: "unix", Path: path} }
	far, here := sdk.Flow{Remote: netip.MustParseAddrPort("198.51.100.1:2")}, sdk.Flow{}
	for _, c := range []struct {
		hops bool
		flow sdk.Flow
		dial upstream.Dial
		want bool
		near bool
	}{
		{false, far, tcp(ours), false, false},
		{true, far, tcp(ours), true, false},
		{true, here, tcp(ours), true, true},
		{true, far, tcp(theirs), false, false},
		{true, far, unix("/ours"), true, false},
		{true, here, unix("/ours"), true, true},
		{true, far, unix("/theirs"), false, false},
	} {
		one := env
		if c.hops {
			one.Hops = new(Hops)
		}
		asked = nil
		var s Session
		s.Init(&one, nil, &Begin{ID: 1})
		if got := s.home(&c.flow, &c.dial); got != c.want || c.hops && (len(asked) != 1 || asked[0] != c.near) {
			t.Errorf("%s from %v: %v, asked for the latest news: %v", textOf(&c.dial), c.flow.Remote, got, asked)
		}
	}
	none := Env{Heads: new(Heads), Hops: new(Hops)}
	var s Session
	s.Init(&none, nil, &Begin{ID: 1})
	if d := unix("/ours"); s.home(&far, &d) {
		t.Error("nobody knows of a path, and it is ours")
	}
}

// A client that has gone round is refused, with a warning that names where.
func TestAnAttemptThatGoesRoundIsRefused(t *testing.T) {
	t.Parallel()
	client, server := sockets(t)
	defer client.Close()
	var log bytes.Buffer
	here := netip.MustParseAddrPort(server.LocalAddr().String())
	env := &Env{
		Heads: new(Heads), Log: slog.New(slog.NewTextHandler(&log, nil)), Hops: new(Hops),
		Own: func(a netip.AddrPort, _ bool) bool { return a == here },
	}
	var s Session
	s.Init(env, nil, &Begin{ID: 1, Flow: sdk.Flow{Listener: ":1", MaxHead: 10}})
	c := &conn{s: &s, u: s.setup, h: &s.setup.head, sock: server}
	d := upstream.Dial{Network: "tcp", Addr: here, Timeout: limit, Up: upstream.New("up", upstream.Options{})}
	if err := c.Check(t.Context(), &d); err != nil || d.Hop == nil {
		t.Fatalf("the first round: %v, %v", d.Hop, err)
	}
	d.Hop.Stood(client.LocalAddr()) // it is the one that comes in
	again := upstream.Dial{Network: "tcp", Addr: here, Timeout: limit, Up: d.Up}
	if err := c.Check(t.Context(), &again); !errors.Is(err, host.ErrLoop) || again.Hop != nil {
		t.Errorf("the second round: %v, %v", again.Hop, err)
	}
	if text := log.String(); !strings.Contains(text, "upstream="+here.String()) {
		t.Errorf("the log has\n%s", text)
	}
	other := upstream.Dial{Network: "tcp", Addr: here, Timeout: limit, Up: upstream.New("other", upstream.Options{})}
	if err := c.Check(t.Context(), &other); err != nil || other.Hop == nil {
		t.Errorf("to another upstream: %v, %v", other.Hop, err)
	}
	away := upstream.Dial{Network: "tcp", Addr: netip.MustParseAddrPort("192.0.2.1:1"), Timeout: limit}
	if err := c.Check(t.Context(), &away); err != nil || away.Hop != nil {
		t.Errorf("away from here: %v, %v", away.Hop, err)
	}
}

// A kill that comes before there is anything to kill is not lost: whoever takes the
// session is told at once.
func TestAKillBeforeHoldReachesWhatIsHeld(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after host.Why
		want          []relay.Reason
	}{
		"before":         {host.Drained, host.Closed, []relay.Reason{relay.Drained}},
		"after":          {host.Closed, host.Unhealthy, []relay.Reason{relay.Unhealthy}},
		"before, for it": {host.Unhealthy, host.Drained, []relay.Reason{relay.Unhealthy}},
		"never":          {host.Closed, host.Closed, nil},
	} {
		var s Session
		s.Init(&Env{Heads: new(Heads)}, nil, &Begin{ID: 1})
		kill := func(w host.Why) {
			if w != host.Closed {
				s.Kill(host.ByOperator, w)
			}
		}
		kill(c.before)
		var r runner
		link := relay.LinkTo(&r)
		s.Hold(&link)
		kill(c.after)
		if len(r.killed) != len(c.want) || len(c.want) > 0 && r.killed[0] != c.want[0] {
			t.Errorf("%s: killed by %v, want %v", name, r.killed, c.want)
		}
		if up, down := s.Counts(); up != 3 || down != 4 {
			t.Errorf("%s: counts %d and %d", name, up, down)
		}
	}
}

// runner notes its kills.
type runner struct{ killed []relay.Reason }

func (r *runner) Kill(why relay.Reason)  { r.killed = append(r.killed, why) }
func (*runner) Counts() (up, down int64) { return 3, 4 }

// A kill that comes while a relay is being started, of which the session knows nothing
// yet, ends the relay.
func TestAKillWhileARelayStartsEndsIt(t *testing.T) {
	t.Parallel()
	var r runner
	link := relay.LinkTo(&r)
	x := &served{outcomes: make(chan host.Outcome, 1)}
	var s *Session
	env := &Env{Heads: new(Heads), Log: slog.New(slog.DiscardHandler), Start: func(_, _ relay.Endpoint, o relay.Options) *relay.Link {
		s.Kill(host.ByOperator, host.Drained)
		return &link
	}}
	x.Init(env, x, &Begin{ID: 1, Flow: sdk.Flow{MaxHead: 10}})
	s = &x.Session
	near, _ := net.Pipe()
	x.Serve(near, func(_ context.Context, c host.Conn) error { return c.Relay(relay.Endpoint{}, relay.Options{}) })
	if len(r.killed) != 1 || r.killed[0] != relay.Drained {
		t.Errorf("the relay was killed by %v", r.killed)
	}
	if _, err := near.Read(make([]byte, 1)); errors.Is(err, os.ErrClosed) {
		t.Error("the socket of the relay is closed")
	}
}
