package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/share"
)

// full reports whether tests take the numbers that they are told of with: FULL=1 go test.
func full() bool { return os.Getenv("FULL") != "" }

// patience bounds what clients wait for.
const patience = 2 * time.Minute

// live is an engine that serves configurations with plugins.
type live struct {
	t      testing.TB
	engine *engine.Engine
	store  *share.Store
	host   *Host
}

func goLive(t testing.TB, config string, compiler ...string) *live {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &live{
		t: t, store: new(share.Store), host: New(Options{Log: log, Compiler: compiler}),
		engine: engine.New(engine.Options{Log: log, Loops: loops(t)}),
	}
	if err := s.load(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nobody is waited for
		_ = s.engine.Shutdown(ctx)
		_ = s.host.Close()
	})
	return s
}

// loops starts event loops, as the program does; nil where there are none.
func loops(t testing.TB) *loop.Loops {
	t.Helper()
	rs, err := loop.New(2)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rs.Close) // after the engine, whose cleanup comes first
	return rs
}

// load serves another configuration.
func (s *live) load(config string) error {
	r := new(host.Registry)
	builtin.Register(r)
	s.host.Loading(nil).Register(r)
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(config), graph.Grammar(r), dwaarfile.Options{})
	if err != nil {
		return err
	}
	g, err := graph.Build(tree, r, graph.Options{Store: s.store})
	if err != nil {
		return err
	}
	return s.engine.Load(s.t.Context(), g)
}

// beside is a configuration with two routes: one that needs no plugin, and one that
// the plugin decides, with these options and arguments.
func beside(path, args string, options ...string) string {
	return fmt.Sprintf(`{
	plugin x %s {
		%s
	}
}
layer4 {
	127.0.0.1:0 {
		@talk regexp ^TALK
		@asked {
			x %s
		}
		route @talk {
			echo
		}
		route @asked {
			echo
		}
	}
}
`, path, strings.Join(options, "\n\t\t"), args)
}

// dial connects to the listener. Whoever closes it leaves no port waiting.
func (s *live) dial() (net.Conn, error) {
	addr, ok := s.engine.Addr("127.0.0.1:0")
	if !ok {
		return nil, errors.New("nothing listens")
	}
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	return c, c.SetDeadline(time.Now().Add(patience))
}

// say sends the first bytes of a connection and returns what comes back.
func (s *live) say(first string) (string, error) {
	c, err := s.dial()
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, first); err != nil {
		return "", err
	}
	got := make([]byte, len(first))
	n, err := io.ReadFull(c, got)
	if n == 0 {
		return "", nil // closed, in order or not
	}
	return string(got), err
}

// traffic keeps connections of both routes busy, and returns when each has its route,
// until stop is called, which reports the first of them that was disturbed and how
// often they went back and forth.
func (s *live) traffic(firsts ...string) (stop func() (rounds int64)) {
	s.t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	var rounds atomic.Int64
	var routed sync.WaitGroup
	for i := range 8 {
		routed.Add(1)
		once := sync.OnceFunc(routed.Done)
		wg.Go(func() {
			defer once()
			err := s.talk(firsts[i%len(firsts)], done, func() {
				once()
				rounds.Add(1)
			})
			if err != nil {
				s.t.Errorf("a connection that did nothing: %v", err)
			}
		})
	}
	routed.Wait()
	return func() int64 {
		close(done)
		wg.Wait()
		return rounds.Load()
	}
}

// talk is one of them; round is called after each.
func (s *live) talk(first string, done <-chan struct{}, round func()) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	said, got := bytes.Repeat([]byte(first), 8), make([]byte, 8*len(first))
	for {
		select {
		case <-done:
			return nil
		default:
		}
		if _, err := c.Write(said); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, got); err != nil {
			return err
		}
		if !bytes.Equal(got, said) {
			return fmt.Errorf("%q came back as %q", said, got)
		}
		round()
	}
}

// manyHostile are the guests of [hostile] and those that only the proxy can judge, with
// how their connections end.
func manyHostile() map[string]struct{ more, body, code string } {
	all := map[string]struct{ more, body, code string }{}
	for name, h := range hostile() {
		all[name] = struct{ more, body, code string }{h.more, h.body, "proxy.matching.failed"}
	}
	none := "proxy.matching.no_route"
	all["wants more than can be"] = struct{ more, body, code string }{"", "(return (i32.const -2147483647))", none}
	all["says that nobody can tell"] = struct{ more, body, code string }{"", "(return (i32.const -2147483648))", none}
	all["grows without end"] = struct{ more, body, code string }{"", "(loop $l (drop (memory.grow (i32.const 1))) (br $l))", "proxy.matching.failed"}
	all["big frames"] = struct{ more, body, code string }{
		"(func $big (param i32) (local" + strings.Repeat(" v128", 2000) + ") (if (local.get 0) (then (call $big (local.get 0)))))",
		"(loop $l (call $big (i32.const 1)) (br $l))", "proxy.matching.failed",
	}
	return all
}

// Beside connections that do nothing: exactly the guilty ones are closed, each with the
// code of its fault, and nothing of them is left.
func TestHostileGuestsHarmOnlyTheirConnections(t *testing.T) {
	connections := 100
	switch {
	case full():
		connections = 10_000
	case raceDetector:
		connections = 40
	}
	for name, h := range manyHostile() {
		t.Run(name, func(t *testing.T) {
			s := goLive(t, beside(hostileGuest(t, h.more, dirty+h.body), ""))
			if got, err := s.say("sane"); got != "sane" || err != nil {
				t.Fatalf("before: %q, %v", got, err)
			}
			s.guilty(10) // pools and caches are full then
			before, ended := s.settled(), s.ended(h.code)
			stop := s.traffic("TALK", "sane")
			s.guilty(connections)
			rounds := stop()
			after := s.settled()
			if n := s.ended(h.code) - ended; n != connections {
				t.Errorf("%d connections ended as %s, want %d", n, h.code, connections)
			}
			if after.goroutines > before.goroutines || after.descriptors > before.descriptors {
				t.Errorf("before %+v, after %+v", before, after)
			}
			if rounds == 0 {
				t.Error("nobody else came to speak")
			}
			t.Logf("%d guilty connections beside %d rounds of others; heap %d → %d KiB", connections, rounds, before.heap>>10, after.heap>>10)
		})
	}
}

// guilty makes connections that the hostile guest falls for, some at a time.
func (s *live) guilty(n int) {
	s.t.Helper()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if got, err := s.say("!"); got != "" || err != nil {
					s.t.Errorf("a guilty connection was answered with %q, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// ended is how many connections ended with a code.
func (s *live) ended(code string) int {
	stats := s.engine.Stats()
	for i, n := range stats.Ended {
		if host.CodeAt(i).String() == code {
			return int(n)
		}
	}
	return 0
}

// settled measures when all connections are gone, and what served them.
func (s *live) settled() measured {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for last, same := 0, 0; same < 10; <-tick.C {
		now := runtime.NumGoroutine() + s.engine.Stats().Active<<16
		if now != last {
			last, same = now, 0
		}
		same++
	}
	return measure()
}

// What cannot be loaded changes nothing for those who are served: plugins whose init
// refuses, traps, or never ends, and modules that cannot be compiled in time.
func TestPluginsThatCannotBeLoadedDisturbNobody(t *testing.T) {
	init := func(body string) string {
		return guest(t, `(func (export "dwaar_v1_init") (param i32 i32) (result i32) `+body+`)`, "(i32.const 1)")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := goLive(t, beside(guest(t, "", sane2), ""), self, "compiler-good")
	before := s.settled()
	stop := s.traffic("TALK", "sane")
	rounds := 1 // each with a process that compiles
	if full() {
		rounds = 100
	}
	for want, path := range map[string]string{
		"the plugin refuses it":    init("(i32.const 1)"),
		"it trapped: unreachable":  init("(unreachable)"),
		"it took more fuel":        init("(loop $l (br $l)) (i32.const 0)"),
		"it called proc_exit":      guest(t, `(import "wasi_snapshot_preview1" "proc_exit" (func $x (param i32))) (func (export "dwaar_v1_init") (param i32 i32) (result i32) (call $x (i32.const 0)) (i32.const 0))`, "(i32.const 1)"),
		"at most 5000 are allowed": bomb(t, 6000),
	} {
		for range rounds {
			if err := s.load(beside(path, "a")); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	most := 4500 // blocks
	if raceDetector {
		most = 1000
	}
	if err := s.load(beside(bomb(t, most), "")); err != nil {
		t.Errorf("a module within all limits: %v", err)
	}
	s.host.compiler[1] = "compiler-burns"
	if err := s.load(beside(guest(t, "(func)", sane2), "")); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("a compiler that does not end: %v", err)
	}
	if n := stop(); n == 0 {
		t.Error("nobody was served")
	}
	if after := s.settled(); after.descriptors > before.descriptors || after.goroutines > before.goroutines {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// sane2 says yes to whatever it is asked of.
const sane2 = "(i32.const 1)"

// bomb is a module that takes long to compile: blocks within blocks, and branches out
// of each of them.
func bomb(t *testing.T, blocks int) string {
	t.Helper()
	var b strings.Builder
	half := blocks / 2
	for range 4 {
		b.WriteString("(func (param i32) (local" + strings.Repeat(" i32", 48) + ")")
		b.WriteString(strings.Repeat(" block", half))
		for i := range half {
			fmt.Fprintf(&b, " local.get 0 i32.const %d i32.add local.tee %d br_if %d end", i, i%48+1, i%max(half-i, 1))
		}
		b.WriteString(")\n")
	}
	return guest(t, b.String(), sane2)
}
