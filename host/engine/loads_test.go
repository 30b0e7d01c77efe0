package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/engine"
)

func TestALoadWhoseContextHasEndedChangesNothing(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "say old", "}"))
	g := f.build(serve("route {", "say new", "}"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Load(ctx, g); !errors.Is(err, context.Canceled) {
		t.Errorf("loading: %v", err)
	}
	gone(t, g)
	f.dial().hears("old")
}

// An address that a listener of the old configuration holds is handed over to the one of
// the new configuration that has it under another name.
func TestAListenerTakesTheAddressOfOneThatGoes(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "say old", "}"))
	f.dial().hears("old")
	at, _ := f.Addr(anyPort)
	f.load("layer4 {\n" + at.String() + " {\nroute {\nsay new\n}\n}\n}\n")
	f.dialTo("tcp", at.String()).hears("new")
	if s := f.Stats(); len(s.Listeners) != 1 || s.Listeners[0].Name != at.String() {
		t.Errorf("listeners: %+v", s.Listeners)
	}
	f.load(elsewhere(t))
	if engine.Owns(f.Engine, at) {
		t.Error("an address that nobody listens on is our own")
	}
}

func TestALoadWarnsOfMoreConnectionsThanDescriptorsAllow(t *testing.T) {
	f := start(t, nil)
	budget := f.Stats().Budget
	const msg = "max_connections exceeds what the descriptor limit allows: raise the limit (ulimit -n, systemd: LimitNOFILE=)"
	for _, c := range []struct {
		first, second int
		want          bool
	}{{budget - 1, 1, false}, {budget - 1, 2, true}} {
		before := len(f.lines(msg))
		dir := t.TempDir()
		text := "layer4 {\n"
		for i, n := range []int{c.first, c.second} {
			text += fmt.Sprintf("unix/%s/%d {\nmax_connections %d\nroute {\necho\n}\n}\n", dir, i, n)
		}
		f.load(text + "}\n")
		lines := f.lines(msg)[before:]
		if (len(lines) == 1) != c.want || c.want && (lines[0]["configured"] != float64(budget+1) || lines[0]["allowed"] != float64(budget)) {
			t.Errorf("%d and %d of %d: %v", c.first, c.second, budget, lines)
		}
	}
}

// client_prefix_ipv4 counts the clients of a network together, from the load on.
func TestACrowdIsWhatTheConfigurationSays(t *testing.T) {
	f := start(t, nil)
	f.load("{\nclient_prefix_ipv4 24\n}\n" + serve("max_connections_per_ip 1", "route {", "echo", "}"))
	f.dialFrom("127.0.0.2").says("x", "x")
	f.dialFrom("127.0.0.3").isEnded()
	f.dialFrom("127.0.1.2").says("x", "x")
	if n := f.Stats().Crowds; n != 2 {
		t.Errorf("%d crowds, want 2", n)
	}
}

// Of the configurations that were served those are known that have connections, the last
// one, and the one that serves.
func TestOldConfigurationsAreForgotten(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "echo", "}"))
	c := f.dial()
	c.says("x", "x")
	for range 10 {
		f.load(serve("route {", "echo", "}"))
	}
	if n := engine.Generations(f.Engine); n != 3 {
		t.Errorf("%d configurations are known, want 3", n)
	}
	s := f.Stats()
	if len(s.Generations) != 2 || s.Generations[0].Number != 1 || s.Generations[1].Number != 11 || s.Generations[1].Loaded.Before(s.Generations[0].Loaded) {
		t.Errorf("told of %+v", s.Generations)
	}
	if age := time.Since(s.Generations[0].Loaded); age <= 0 || s.Started.After(s.Generations[0].Loaded) {
		t.Errorf("loaded %v ago", age)
	}
}

// Where the loops take no listener any more, goroutines accept.
func TestClientsAreAcceptedWithoutTheLoops(t *testing.T) {
	if !inLoops {
		t.Skip("there are no loops")
	}
	f := start(t, func(o *engine.Options) { o.Loops.Close() })
	f.load(serve("route {", "echo", "}"))
	f.dial().says("x", "x")
	if n := f.Stats().Loops.Accepted; n != 0 {
		t.Errorf("loops that are closed have accepted %d", n)
	}
}

// An actor that gives up is told of, with what it died of; the others run on, and one that
// ends with its configuration is nothing to tell of.
func TestAnActorThatGivesUpIsToldOf(t *testing.T) {
	f := start(t, nil)
	f.load(serve("@a first a", "route @a {", "quit", "}", "@b first b", "route @b {", "watch", "}"))
	await(t, "the log to tell", func() bool { return len(f.lines("an actor ended before its time")) == 1 })
	await(t, "the other actor", func() bool { return f.running.Load() == 1 })
	f.load(serve("@b first b", "route @b {", "watch", "}"))
	f.load(serve("route {", "echo", "}"))
	await(t, "the actors to end", func() bool { return f.running.Load() == 0 })
	lines := f.lines("an actor ended before its time")
	if text, _ := lines[0]["error"].(string); len(lines) != 1 || !strings.HasPrefix(text, "panic: no more") || lines[0]["actor"] != "engine_test.quitter" || lines[0]["generation"] != 1.0 {
		t.Errorf("the log has %v", lines)
	}
}

// The program says for whom it waits when it stops, and whom it ends.
func TestAShutdownSaysWhomItWaitsForAndWhomItEnds(t *testing.T) {
	const waits, ends = "waiting for connections to end", "ending connections that did not end by themselves"
	f := start(t, nil)
	f.load("{\ngrace_period 1ms\n}\n" + serve("route {", "echo", "}"))
	for range 2 {
		f.dial().says("x", "x")
	}
	if err := f.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if lines := f.lines(waits); len(lines) != 1 || lines[0]["connections"] != 2.0 || lines[0]["grace_period"] != float64(time.Millisecond) {
		t.Errorf("waiting: %v", lines)
	}
	if lines := f.lines(ends); len(lines) != 1 || lines[0]["connections"] != 2.0 {
		t.Errorf("ending: %v", lines)
	}
	quiet := start(t, nil)
	quiet.load(serve("route {", "echo", "}"))
	if err := quiet.Shutdown(t.Context()); err != nil || len(quiet.lines(waits))+len(quiet.lines(ends)) > 0 {
		t.Errorf("without connections: %v, %v", err, quiet.lines(waits))
	}
}

// What counted against a cap goes with the server's first listener; a second server of
// listeners that were of the same one counts anew.
func TestTheCountsOfAServerGoToOneServer(t *testing.T) {
	f := start(t, nil)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	server := func(paths ...string) string {
		return "unix/" + strings.Join(paths, " unix/") + " {\nmax_connections 2\nroute {\necho\n}\n}\n"
	}
	f.load("layer4 {\n" + server(a, b) + "}\n")
	for range 2 {
		f.dialTo("unix", a).says("x", "x")
	}
	f.dialTo("unix", b).isEnded()
	f.load("layer4 {\n" + server(a) + server(b) + "}\n")
	f.dialTo("unix", a).isEnded()
	f.dialTo("unix", b).says("x", "x")
	f.load("layer4 {\n" + server(b, a) + "}\n") // b was the first to be there
	f.dialTo("unix", a).says("x", "x")
	f.dialTo("unix", a).isEnded()
	s := f.Stats()
	if len(s.Listeners) != 2 || s.Listeners[0].Name != "unix/"+a || s.Listeners[1].Name != "unix/"+b {
		t.Fatalf("listeners %+v", s.Listeners)
	}
	if l := s.Listeners[0]; l.Accepted != 5 || l.Refused != 2 || l.Active != 3 || l.Addr != a {
		t.Errorf("of the first: %+v", l)
	}
	if l := s.Listeners[1]; l.Accepted != 2 || l.Refused != 1 || l.Active != 1 {
		t.Errorf("of the second: %+v", l)
	}
}

// A descriptor of the service manager that is no socket is told of once.
func TestAnInheritedDescriptorThatIsNoSocketIsToldOfOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	f := start(t, func(o *engine.Options) { o.Inherited = []engine.Descriptor{{FD: int(r.Fd()), Name: "pipe"}} })
	for range 3 {
		f.load(serve("route {", "echo", "}"))
	}
	lines := f.lines("an inherited descriptor is no listening stream socket: it is not used")
	if len(lines) != 1 || lines[0]["listener"] != fmt.Sprintf("fd/%d (pipe)", r.Fd()) {
		t.Errorf("the log has %v", lines)
	}
}

func TestRunReturnsWhenSomebodyElseHasShutDown(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "echo", "}"))
	done := make(chan error, 1)
	go func() { done <- f.Run(context.Background()) }()
	if err := f.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := f.Drain(t.Context()); err != nil || f.Stats().State != engine.Stopping {
		t.Errorf("draining afterwards: %v, and it is %v", err, f.Stats().State)
	}
}
