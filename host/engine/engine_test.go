package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
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

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// limit bounds every wait. A test that passes never reaches it.
const limit = 2 * time.Minute

// first matches connections that begin with a word and sets the fact "first.word".
type first string

func (w first) Match(f *sdk.Flow) (sdk.Verdict, error) {
	n := min(len(f.Head), len(w))
	switch {
	case string(f.Head[:n]) != string(w[:n]):
		return sdk.No, nil
	case n < len(w):
		return sdk.Need(len(w)), nil
	}
	f.Set("word", []byte(w))
	return sdk.Yes, nil
}

// handler makes a function a handler that ends.
type handler func(ctx context.Context, c host.Conn) error

func (h handler) Handle(ctx context.Context, c host.Conn, _ host.Next) error { return h(ctx, c) }

func echo(_ context.Context, c host.Conn) error {
	_, err := io.Copy(c.Net(), c.Net())
	return err
}

// watch is an actor that counts those that run.
type watch struct {
	handler
	f *fixture
}

func (w watch) Run(ctx context.Context) error {
	w.f.running.Add(1)
	defer w.f.running.Add(-1)
	<-ctx.Done()
	return ctx.Err()
}

// fixture is an engine with a registry of the parts that its tests name.
type fixture struct {
	*engine.Engine
	t        testing.TB
	registry host.Registry
	store    share.Store
	running  atomic.Int64   // watch actors
	upstream net.Listener   // echoes
	served   sync.WaitGroup // by upstream
	waited   atomic.Int64   // calls of PlanWait
	plan     func(c host.View, attempt int, last error) (upstream.Dial, error)

	mu  sync.Mutex
	log bytes.Buffer // JSON lines
}

// Write takes log lines.
func (f *fixture) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(line)
}

// lines returns the log lines with that message, as values by key.
func (f *fixture) lines(msg string) []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(f.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			f.t.Fatalf("log line %q: %v", line, err)
		}
		if m["msg"] == msg {
			found = append(found, m)
		}
	}
	return found
}

// start makes a fixture that logs what it does. When the test ends the engine is
// shut down, and descriptors and goroutines must be what they were.
func start(t testing.TB, change func(*engine.Options)) *fixture {
	t.Helper()
	noLeak(t)
	f := &fixture{t: t}
	f.register()
	o := engine.Options{Log: slog.New(slog.NewJSONHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if inLoops {
		o.Loops = loops(t)
	}
	if change != nil {
		change(&o)
	}
	f.Engine = engine.New(o)
	t.Cleanup(f.stop)
	return f
}

// inLoops reports whether engines have event loops.
var inLoops bool

// TestMain runs everything in event loops and, as other systems do, without them.
func TestMain(m *testing.M) {
	loops, err := loop.New(1)
	inLoops = err == nil
	code := 0
	if inLoops {
		loops.Close()
		code = m.Run()
		inLoops = false
	}
	os.Exit(max(code, m.Run()))
}

// loops starts event loops that end when the test does.
func loops(t testing.TB) *loop.Loops { return someLoops(t, 2) }

func someLoops(t testing.TB, n int) *loop.Loops {
	t.Helper()
	rs, err := loop.New(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rs.Close)
	return rs
}

func (f *fixture) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	go f.Shutdown(ctx) // the second one hurries the first
	if err := f.Shutdown(ctx); err != nil {
		f.t.Error(err)
	}
	if n := f.running.Load(); n != 0 {
		f.t.Errorf("%d actors outlive the engine", n)
	}
	if f.upstream != nil {
		f.upstream.Close()
		f.served.Wait()
	}
	s := f.Stats()
	if s.Active != 0 || s.HeadBytes != 0 || s.Accepted != total(s) {
		f.t.Errorf("at the end: %d active, %d head bytes, %d accepted, %d ended", s.Active, s.HeadBytes, s.Accepted, total(s))
	}
}

func total(s engine.Stats) (n uint64) {
	for _, ended := range s.Ended {
		n += ended
	}
	return n
}

func (f *fixture) register() {
	word := []sdk.Arg{sdk.One("WORD", sdk.Free)}
	f.registry.Matcher(sdk.Spec{Name: "first", Args: word, Facts: []sdk.Fact{{Key: "word"}}},
		func(n *sdk.Node) (sdk.Matcher, error) { return first(n.Args[0].Text), nil })
	f.registry.Matcher(sdk.Spec{Name: "bomb"}, func(*sdk.Node) (sdk.Matcher, error) { return bomb{}, nil })
	for name, h := range map[string]host.Handler{
		"echo":  handler(echo),
		"panic": handler(func(context.Context, host.Conn) error { panic("on purpose") }),
		"relay": handler(f.relay),
		"proxy": planner{f},
		"watch": watch{handler(echo), f},
		"quit":  quitter{},
		"wait": handler(func(ctx context.Context, _ host.Conn) error {
			<-ctx.Done()
			return ctx.Err()
		}),
	} {
		f.registry.Handler(sdk.Spec{Name: name, Ends: true},
			func(host.Builder, *sdk.Node) (host.Handler, error) { return h, nil })
	}
	f.registry.Handler(sdk.Spec{Name: "say", Args: word, Ends: true},
		func(_ host.Builder, n *sdk.Node) (host.Handler, error) {
			return handler(func(_ context.Context, c host.Conn) error {
				_, err := io.WriteString(c.Net(), n.Args[0].Text)
				return err
			}), nil
		})
}

// quitter is an actor that gives up, with a panic.
type quitter struct{}

func (quitter) Handle(context.Context, host.Conn, host.Next) error { return nil }
func (quitter) Run(context.Context) error                          { panic("no more") }

// relay gives a connection to a relay with the fixture's upstream, in a goroutine.
func (f *fixture) relay(ctx context.Context, c host.Conn) error {
	return c.Connect(ctx, single{planner{f}})
}

// single plans one attempt, which counts for an upstream.
type single struct{ planner }

func (o single) Plan(_ host.View, last error) (upstream.Dial, error) {
	if last != nil {
		return upstream.Dial{}, host.End(host.ByUpstream, host.Refused, last)
	}
	d := o.f.toUpstream()
	d.Relay = relay.Options{}
	d.Up = upstream.New(o.f.upstream.Addr().String(), upstream.Options{})
	d.Up.Acquire(0)
	return d, nil
}

// echoes starts the upstream.
func (f *fixture) echoes() {
	f.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.upstream = ln
	f.served.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.served.Go(func() {
				defer c.Close()
				buf := make([]byte, 4096) // not io.Copy: the client's way, without splice
				for {
					n, err := c.Read(buf)
					if _, werr := c.Write(buf[:n]); err != nil || werr != nil {
						return
					}
				}
			})
		}
	})
}

// build makes the graph of a Dwaarfile.
func (f *fixture) build(text string) *graph.Graph {
	f.t.Helper()
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(text), graph.Grammar(&f.registry), dwaarfile.Options{})
	if err != nil {
		f.t.Fatalf("parsing:\n%v", err)
	}
	g, err := graph.Build(tree, &f.registry, graph.Options{Store: &f.store})
	if err != nil {
		f.t.Fatalf("building:\n%v", err)
	}
	return g
}

// load serves a Dwaarfile and returns its graph.
func (f *fixture) load(text string) *graph.Graph {
	f.t.Helper()
	g := f.build(text)
	if err := f.Load(f.t.Context(), g); err != nil {
		f.t.Fatalf("loading:\n%v", err)
	}
	return g
}

const anyPort = "127.0.0.1:0"

// serve returns a Dwaarfile with one server on any port.
func serve(lines ...string) string {
	return "layer4 {\n" + anyPort + " {\n" + strings.Join(lines, "\n") + "\n}\n}\n"
}

// elsewhere returns a Dwaarfile whose one server is not on any port.
func elsewhere(t testing.TB) string {
	return "layer4 {\nunix/" + t.TempDir() + "/s {\nroute {\necho\n}\n}\n}\n"
}

// dial connects to the server on any port.
func (f *fixture) dial() *client {
	f.t.Helper()
	addr, ok := f.Addr(anyPort)
	if !ok {
		f.t.Fatalf("nothing listens on %s", anyPort)
	}
	return f.dialTo("tcp", addr.String())
}

func (f *fixture) dialTo(network, addr string) *client {
	f.t.Helper()
	c, err := net.DialTimeout(network, addr, limit)
	if err != nil {
		f.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(limit))
	f.t.Cleanup(func() { c.Close() })
	return &client{c, f.t}
}

// client is a connection to the engine whose failures fail the test.
type client struct {
	net.Conn
	t testing.TB
}

// says sends text and expects an answer.
func (c *client) says(text, want string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatalf("sending %q: %v", text, err)
	}
	c.hears(want)
}

func (c *client) hears(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		c.t.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

// isEnded expects that the other side ends the connection without another byte.
func (c *client) isEnded() {
	c.t.Helper()
	n, err := c.Read(make([]byte, 1))
	if n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("read %d bytes, %v; want the end", n, err)
	}
}

// await waits until something that nobody announces is so.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for !is() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// active waits until so many connections live.
func (f *fixture) active(n int) {
	f.t.Helper()
	await(f.t, fmt.Sprintf("%d connections", n), func() bool { return f.Stats().Active == n })
}

// ended waits until so many connections have ended with a code.
func (f *fixture) ended(code string, n uint64) {
	f.t.Helper()
	defer func() {
		if f.t.Failed() {
			f.t.Logf("connections have ended by %v", codes(f.Stats()))
		}
	}()
	await(f.t, fmt.Sprintf("%d of %s", n, code), func() bool { return codes(f.Stats())[code] == n })
}

func codes(s engine.Stats) map[string]uint64 {
	by := map[string]uint64{}
	for i, n := range s.Ended {
		if n > 0 {
			by[host.CodeAt(i).String()] = n
		}
	}
	return by
}

func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("counting descriptors: %v", err)
	}
	return len(all)
}

// noLeak fails the test if it leaves descriptors or goroutines behind. Such tests
// run one after another.
func noLeak(t testing.TB) {
	t.Helper()
	fds, routines := descriptors(t), runtime.NumGoroutine()
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		await(t, "descriptors to be closed", func() bool { return descriptors(t) <= fds })
		defer func() {
			if t.Failed() {
				stacks := make([]byte, 1<<20)
				t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
			}
		}()
		await(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= routines })
	})
}
