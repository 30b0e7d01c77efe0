package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

func isDone(g *graph.Graph) bool {
	select {
	case <-g.Done():
		return true
	default:
		return false
	}
}

func gone(t *testing.T, g *graph.Graph) {
	t.Helper()
	select {
	case <-g.Done():
	case <-time.After(limit):
		t.Fatal("a graph that nobody needs is still there")
	}
}

func TestReloadsLoseNoConnection(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "echo", "}"))
	old := f.dial()
	old.says("before", "before")
	addr, _ := f.Addr(anyPort)
	var stop atomic.Bool
	var clients sync.WaitGroup
	var served atomic.Int64
	for range 8 {
		clients.Go(func() {
			for !stop.Load() {
				if err := once(addr.String()); err != nil {
					t.Errorf("a client among reloads: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	for i := range 200 {
		at := served.Load()
		f.load(serve("@x first "+strconv.Itoa(i), "route @x {", "watch", "}", "route {", "echo", "}"))
		if i%10 == 0 { // so that clients and reloads really meet
			await(t, "a client", func() bool { return served.Load() > at || t.Failed() })
		}
	}
	stop.Store(true)
	clients.Wait()
	old.says("after", "after")
	if s := f.Stats(); s.Loads != 201 || s.Generations[0].Number != 1 || s.Generations[0].Conns != 1 {
		t.Errorf("after 200 reloads: %d loads, generations %+v", s.Loads, s.Generations)
	}
	t.Logf("%d clients were served", served.Load())
}

func TestConnectionsWithTrafficSurviveReloads(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load(serve("@r first r", "route @r {", "relay", "}", "route {", "echo", "}"))
	conns, reloads := 1000, 100
	if raceEnabled || testing.Short() {
		conns, reloads = 200, 50
	}
	var clients []*client
	for range conns {
		clients = append(clients, f.dial())
	}
	text := func(client, round int) string {
		return "re"[client%2:client%2+1] + strings.Repeat(strconv.Itoa(round%10), 100+client%7)
	}
	for i, c := range clients {
		c.says(text(i, 0), text(i, 0)) // the first configuration has it
	}
	for round := range reloads {
		for i, c := range clients {
			if _, err := io.WriteString(c, text(i, round)); err != nil {
				t.Fatal(err)
			}
		}
		f.load(serve("@r first r", "route @r {", "watch", "}", "@x first "+strconv.Itoa(round), "route @x {", "relay", "}"))
		for i, c := range clients {
			c.hears(text(i, round))
		}
	}
	f.active(conns)
}

// once is a client that must be served.
func once(addr string) error {
	c, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(c, "hello"); err != nil {
		return err
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		return fmt.Errorf("got %q, %w", got, err)
	}
	return nil
}

func TestAListenerThatGoesServesWhatIsQueued(t *testing.T) {
	f := start(t, nil)
	for range 20 {
		f.load(serve("route {", "echo", "}"))
		var clients []*client
		for range 50 {
			clients = append(clients, f.dial()) // the kernel accepts them, the engine may not have yet
		}
		f.load(elsewhere(t))
		for _, c := range clients {
			c.says("hello", "hello")
			c.Close()
		}
	}
}

func TestAFailedLoadLeavesTheOldOneServingAndNothingOpen(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "say old", "}"))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	path := t.TempDir() + "/s"
	before := descriptors(t)
	g := f.build(fmt.Sprintf(`layer4 {
	unix/%s {
		route {
			say new
		}
	}
	%s %s 192.0.2.77:81 {
		route {
			say new
		}
	}
}
`, path, anyPort, taken.Addr()))
	err = f.Load(t.Context(), g)
	var errs sdk.Errors
	if !errors.As(err, &errs) || len(errs) != 2 {
		t.Fatalf("loading: %v", err)
	}
	for i, want := range []string{
		"Dwaarfile:7:14: listening on " + taken.Addr().String() + ": address already in use: this program holds it already",
		"listening on 192.0.2.77:81: cannot assign requested address: no interface of this machine has the address 192.0.2.77",
	} {
		if !strings.Contains(errs[i].Error(), want) {
			t.Errorf("error %d is\n%s\nwant\n%s", i, errs[i], want)
		}
	}
	gone(t, g)
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before the load that failed, %d after", before, after)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the new socket file is still there")
	}
	f.dial().hears("old")
	if s := f.Stats(); s.FailedLoads != 1 || s.Loads != 1 {
		t.Errorf("%d loads, %d failed", s.Loads, s.FailedLoads)
	}
}

func TestAGraphLivesAsLongAsItIsNeeded(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	g := f.load(serve("@r first r", "route @r {", "relay", "}", "@w first w", "route @w {", "watch", "}"))
	relayed, held := f.dial(), f.dial()
	relayed.says("relayed", "relayed")
	held.says("watched", "watched")
	f.load(serve("route {", "echo", "}"))
	await(t, "the old graph's actor to leave", func() bool { return f.running.Load() == 0 })
	if isDone(g) {
		t.Error("a graph that a handler needs is gone")
	}
	held.Close()
	gone(t, g)
	relayed.says("a relay needs no graph", "a relay needs no graph")
}

func TestOnePortTwiceIsRefused(t *testing.T) {
	f := start(t, nil)
	g := f.build("layer4 {\n" + anyPort + " {\nroute {\necho\n}\n}\n" + anyPort + " {\nroute {\necho\n}\n}\n}\n")
	err := f.Load(t.Context(), g)
	if err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("loading: %v", err)
	}
	gone(t, g)
}

func TestManyReloadsLeaveNothingBehind(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	reloads := 10_000
	if raceEnabled {
		reloads = 2000
	}
	if testing.Short() {
		reloads = 200
	}
	f.load(serve("route {", "relay", "}"))
	c := f.dial()
	c.says("hello", "hello")
	reload := func(n int) {
		for i := range n {
			f.load(serve("matching_timeout "+strconv.Itoa(1+i%2)+"s", "@x first "+strconv.Itoa(i),
				"route @x {", "watch", "}", "route {", "relay", "}"))
		}
	}
	reload(reloads / 4)
	settle := func() (rss, routines, fds int) {
		await(t, "old actors to leave", func() bool { return len(f.Stats().Generations) == 2 })
		runtime.GC()
		debug.FreeOSMemory()
		return residentBytes(t), runtime.NumGoroutine(), descriptors(t)
	}
	rss, routines, fds := settle()
	reload(reloads - reloads/4)
	await(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= routines+1 })
	rss2, routines2, fds2 := settle()
	t.Logf("%d reloads: %d → %d KiB, %d → %d goroutines, %d → %d descriptors",
		reloads, rss>>10, rss2>>10, routines, routines2, fds, fds2)
	if fds2 > fds || rss2 > rss+8<<20 && !raceEnabled { // which keeps a history
		t.Errorf("reloads leave something behind")
	}
	c.says("still here", "still here")
}

func residentBytes(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func TestReloadDrainEndsOldConnectionsOnly(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load(serve("@r first r", "route @r {", "relay", "}", "route {", "echo", "}"))
	var olds []*client
	for i := range 20 {
		c := f.dial()
		c.says([]string{"relay", "echo!"}[i%2], []string{"relay", "echo!"}[i%2])
		olds = append(olds, c)
	}
	f.load("{\nreload_drain 300ms\n}\n" + serve("route {", "echo", "}"))
	young := f.dial()
	young.says("young", "young")
	for _, c := range olds {
		c.isEnded()
	}
	f.ended("operator.relay.drained", 10)
	f.ended("operator.handling.drained", 10)
	young.says("still here", "still here")
}

func TestLoadAfterShutdownIsRefused(t *testing.T) {
	f := start(t, nil)
	if err := f.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := f.build(serve("route {", "echo", "}"))
	if err := f.Load(t.Context(), g); !errors.Is(err, engine.ErrStopping) {
		t.Errorf("loading: %v", err)
	}
	gone(t, g)
}
