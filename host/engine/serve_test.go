package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/engine"
)

func TestConnectionsGoToTheRouteTheyMatch(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load(serve(
		"@a first aaa", "route @a {", "echo", "}",
		"@b first bbb", "route @b {", "relay", "}",
		"@c first ccc", "route @c {", "say hello", "}",
	))
	f.dial().says("aaa1", "aaa1")
	b := f.dial()
	b.says("bbb1", "bbb1")
	b.says("and more", "and more")
	b.Close()
	c := f.dial()
	c.says("ccc", "hello")
	c.isEnded()
	d := f.dial()
	d.says("ddd", "")
	d.isEnded()
	f.ended("proxy.matching.no_route", 1)
	f.ended("proxy.handling.closed", 1)
	f.ended("client.relay.closed", 1)
	s := f.Stats()
	if s.Up != 12 || s.Down != 12 {
		t.Errorf("relayed %d bytes up and %d down, want 12 each", s.Up, s.Down)
	}
	var routes []string
	for _, d := range f.Decisions() {
		routes = append(routes, d.Route+" after "+strconv.Itoa(d.Bytes))
	}
	want := []string{"@a Dwaarfile:4:1 after 4", "@b Dwaarfile:8:1 after 4", "@c Dwaarfile:12:1 after 3", " after 3"}
	if diff := cmp.Diff(want, routes); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
}

func TestAClientThatSaysNothingIsAProbeOnlyDebugTellsOf(t *testing.T) {
	f := start(t, nil)
	f.load(serve("@a first a", "route @a {", "echo", "}"))
	f.dial().Close()
	f.ended("client.matching.probe", 1)
	lines := f.lines("connection")
	if len(lines) != 1 || lines[0]["level"] != "DEBUG" {
		t.Errorf("log has %v", lines)
	}
}

func TestSilentClientsEndAtTheDeadlineOrTakeTheCatchAll(t *testing.T) {
	f := start(t, nil)
	f.load(serve("matching_timeout 20ms", "@a first a", "route @a {", "echo", "}"))
	f.dial().isEnded()
	f.ended("client.matching.timeout", 1)
	f.load(serve("matching_timeout 20ms", "@a first a", "route @a {", "echo", "}", "route {", "say 220", "}"))
	c := f.dial()
	c.hears("220")
	c.isEnded()
	if n := f.Stats().MatchingTimeouts; n != 2 {
		t.Errorf("%d matching timeouts, want 2", n)
	}
}

func TestAUnixSocketServesAndLeavesNoFile(t *testing.T) {
	f := start(t, nil)
	path := filepath.Join(t.TempDir(), "s")
	f.load("layer4 {\nunix/" + path + " {\nroute {\necho\n}\n}\n}\n")
	c := f.dialTo("unix", path)
	c.says("hello", "hello")
	if conns := f.Conns(); len(conns) != 1 || conns[0].Listener != "unix/"+path || conns[0].Client.IsValid() {
		t.Errorf("connections are %+v", conns)
	}
	f.load(serve("route {", "echo", "}"))
	c.says("still here", "still here")
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket file is still there")
	}
}

// inherit returns a listening socket as a service manager passes it.
func inherit(t *testing.T) (ln *net.TCPListener, fd int) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	raw, err := ln.SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return ln, fd
}

func TestAnInheritedSocketIsServedByNumberAndByAddress(t *testing.T) {
	noLeak(t)
	ln, fd := inherit(t)
	f := start(t, func(o *engine.Options) { o.Inherited = []engine.Descriptor{{FD: fd}} })
	addr := ln.Addr().String()
	byNumber := "layer4 {\nfd/" + strconv.Itoa(fd) + " {\nroute {\nsay number\n}\n}\n}\n"
	byAddress := "layer4 {\n" + addr + " {\nroute {\nsay address\n}\n}\n}\n"
	f.load(byNumber)
	f.dialTo("tcp", addr).hears("number")
	f.load(byAddress)
	f.dialTo("tcp", addr).hears("address")
	f.load(byNumber)
	f.dialTo("tcp", addr).hears("number")
	g := f.build("layer4 {\n" + addr + " fd/" + strconv.Itoa(fd) + " {\nroute {\necho\n}\n}\n}\n")
	err := f.Load(t.Context(), g)
	if err == nil || !strings.Contains(err.Error(), "the same inherited socket as "+addr) {
		t.Errorf("one socket named twice: %v", err)
	}
	f.dialTo("tcp", addr).hears("number")
}

func TestAPanicCostsOneConnection(t *testing.T) {
	f := start(t, nil)
	f.load(serve(
		"@p first p", "route @p {", "panic", "}",
		"@e first e", "route @e {", "echo", "}",
	))
	other := f.dial()
	other.says("e", "e")
	for range 3 {
		c := f.dial()
		c.says("p", "")
		c.isEnded()
	}
	other.says("still here", "still here")
	f.active(1)
	if n := codes(f.Stats())["proxy.handling.panicked"]; n < 3 {
		t.Errorf("%d connections ended with a panic, want those 3", n)
	}
	lines := f.lines("a defect ended a connection: please report it")
	if len(lines) < 3 {
		t.Fatalf("the log tells of %d panics", len(lines))
	}
	if stack, _ := lines[0]["stack"].(string); !strings.Contains(stack, "engine_test.go") {
		t.Errorf("the stack does not lead to the defect:\n%s", stack)
	}
}

func TestConnectionsAreListedAndKilled(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load(serve("@r first r", "route @r {", "relay", "}", "@e first e", "route @e {", "echo", "}"))
	r := f.dial()
	r.says("relay", "relay")
	e := f.dial()
	e.says("echo", "echo")
	m := f.dial() // matching
	f.active(3)
	var got []string
	for _, c := range f.Conns() {
		got = append(got, fmt.Sprintf("%s %v %d %v: %s → %s, %d bytes", c.Listener, c.Client, c.Generation, c.Phase, c.Route, c.Upstream, c.Up))
	}
	want := []string{
		fmt.Sprintf("%s %v 1 relay: @r Dwaarfile:4:1 → %v, 5 bytes", anyPort, r.LocalAddr(), f.upstream.Addr()),
		fmt.Sprintf("%s %v 1 handling: @e Dwaarfile:8:1 → , 0 bytes", anyPort, e.LocalAddr()),
		fmt.Sprintf("%s %v 1 matching:  → , 0 bytes", anyPort, m.LocalAddr()),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
	for _, c := range f.Conns() {
		if !f.Kill(c.ID) {
			t.Errorf("connection %d is unknown", c.ID)
		}
	}
	r.isEnded()
	e.isEnded()
	m.isEnded()
	f.ended("operator.relay.killed", 1)
	f.ended("operator.handling.killed", 1)
	f.ended("operator.matching.killed", 1)
	if f.Kill(12345) {
		t.Error("a connection that never was has been killed")
	}
}

func TestAnActorThatGivesUpTakesNobodyWithIt(t *testing.T) {
	f := start(t, nil)
	f.load(serve("@a first a", "route @a {", "quit", "}", "@b first b", "route @b {", "watch", "}"))
	await(t, "the log to tell", func() bool { return len(f.lines("an actor ended before its time")) == 1 })
	f.dial().says("b", "b")
}

func TestTheProgramKnowsItsOwnAddresses(t *testing.T) {
	noLeak(t)
	ln, _ := inherit(t)
	f := start(t, nil)
	if _, ok := f.Addr(anyPort); ok {
		t.Error("it listens before anything was loaded")
	}
	f.load(serve("route {", "echo", "}"))
	own, _ := f.Addr(anyPort)
	if !engine.Owns(f.Engine, own) {
		t.Errorf("%v is not known as our own", own)
	}
	if other := ln.Addr().(*net.TCPAddr).AddrPort(); engine.Owns(f.Engine, other) {
		t.Errorf("%v is taken for our own", other)
	}
}

func TestALogNobodyReadsSlowsNobody(t *testing.T) {
	noLeak(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	ring := engine.NewLogWriter(writer, 1<<12, nil)
	f := start(t, func(o *engine.Options) {
		o.Log, o.Writer = slog.New(slog.NewJSONHandler(ring, nil)), ring
	})
	f.load(serve("route {", "echo", "}"))
	for range 1000 { // some 200 KB of lines into 64 KiB of pipe and 4 KiB of ring
		c := f.dial()
		c.says("hello", "hello")
		c.Close()
	}
	f.active(0)
	if f.Stats().LinesDropped == 0 {
		t.Error("nothing was dropped")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ring.Close(ctx); err == nil {
		t.Error("the last lines were written to a full pipe")
	}
}

func TestAnAccessLineSaysWhatHappened(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load(serve("@r first hello", "route @r {", "relay", "}"))
	c := f.dial()
	c.says("hello, world", "hello, world")
	c.Conn.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("read %q, %v", rest, err)
	}
	f.ended("client.relay.closed", 1)
	line := f.lines("connection")[0]
	for _, key := range []string{"time", "msg", "matching", "connect", "total"} {
		if _, ok := line[key]; !ok {
			t.Errorf("the line has no %s", key)
		}
		delete(line, key)
	}
	want := map[string]any{
		"level": "INFO", "conn": 1.0, "listener": anyPort, "generation": 1.0,
		"client": c.LocalAddr().String(), "route": "@r Dwaarfile:4:1", "upstream": f.upstream.Addr().String(),
		"bytes_up": 12.0, "bytes_down": 12.0, "code": "client.relay.closed",
		"facts": map[string]any{"first.word": "hello"},
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("access line (-want +got):\n%s", diff)
	}
}

func TestAccessLinesBeyondTheRateAreSampledAndCounted(t *testing.T) {
	f := start(t, func(o *engine.Options) { o.AccessRate = 1 })
	f.load(serve("route {", "echo", "}"))
	const conns = 300
	for range conns {
		c := f.dial()
		c.says("x", "x")
		c.Close()
	}
	f.active(0)
	f.load(elsewhere(t)) // the listener's last words
	suppressed, lines := 0.0, 0.0
	for _, line := range f.lines("connection") {
		lines++
		n, _ := line["suppressed"].(float64)
		suppressed += n
	}
	for _, line := range f.lines("connections without a line of their own") {
		suppressed += line["suppressed"].(float64)
	}
	if lines+suppressed != conns || suppressed == 0 {
		t.Errorf("%v lines and %v suppressed, of %d connections", lines, suppressed, conns)
	}
	if got := f.Stats().LinesSuppressed; float64(got) != suppressed {
		t.Errorf("%d lines counted as suppressed, %v told of", got, suppressed)
	}
}

func TestHeadBytesAreBoundedInAll(t *testing.T) {
	f := start(t, nil)
	const bound = 1 << 20
	f.load("{\nclient_memory 1MiB\n}\n" + serve("matching_timeout 10m", "@a first aaa", "route @a {", "echo", "}"))
	lone := f.dialFrom("127.0.0.2")
	lone.says("a", "")
	await(t, "its byte to arrive", func() bool { return f.Stats().HeadBytes > 0 })
	for range bound>>11 + 50 {
		f.dial().says("a", "")
	}
	f.ended("proxy.matching.evicted", 51)
	s := f.Stats()
	if s.Evicted["client_memory"] != 51 || s.ClientBytes > bound || s.ClientMemory != bound || s.ClientBytes != s.HeadBytes {
		t.Errorf("%d evicted, %d bytes held of %d, %d of heads", s.Evicted["client_memory"], s.ClientBytes, s.ClientMemory, s.HeadBytes)
	}
	lone.says("aa", "aaa")
}
