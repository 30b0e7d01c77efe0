package relaytest

import (
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// kills: Kill from many goroutines, before, during and after data, ends the
// link once, with the reason of one of them; what arrived before is in order.
func kills(t *testing.T, start Start) {
	const rounds, killers = 30, 4
	for _, way := range routes(t) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			for round := range rounds {
				down, up, client, server := way.connect(t)
				var talk sync.WaitGroup
				for i, p := range []*peer{client, server} {
					talk.Go(func() { _, _ = stream(i).send(p, 0, flood, piece) })
					talk.Go(func() {
						if _, err := stream(1-i).receive(p, 0, flood); errors.Is(err, errPattern) {
							t.Error(err)
						}
					})
				}
				l := begin(start, down, up, relay.Options{})
				var over atomic.Bool
				for i := range killers {
					talk.Go(func() {
						moment := int64(round * (i + 1) * 20_000) // far less than both floods
						for up, down := l.Counts(); up+down < moment && !over.Load(); up, down = l.Counts() {
							runtime.Gosched()
						}
						l.Kill(relay.FirstFree + relay.Reason(i))
					})
				}
				if r := l.result(t); r.Reason < relay.FirstFree || r.By != relay.Self || r.Err != nil {
					t.Errorf("result %+v, want the reason of a Kill", r)
				}
				over.Store(true)
				talk.Wait()
				client.abort()
				server.abort()
			}
		})
	}
	t.Run("a link that waits for nothing but a peer's end", func(t *testing.T) {
		t.Parallel()
		down, client := dialTCP(t)
		up, server := dialTCP(t)
		l := begin(start, down, up, relay.Options{})
		client.closeWrite(t)
		if err := awaitEnd(server); isTimeout(err) {
			t.Errorf("the end of the client was not passed on: %v", err)
		}
		l.Kill(relay.Unhealthy)
		if r := l.result(t); r.Reason != relay.Unhealthy || !r.DownFinished || r.UpFinished || r.Cut {
			t.Errorf("result %+v, want unhealthy after the client had finished", r)
		}
	})
}

// slowReaders: a reader that stops holds the sender back; memory stays where
// it was; when it reads again, everything comes.
func slowReaders(t *testing.T, start Start) {
	const links, total = 8, int64(64 << 20)
	for _, way := range routes(t) {
		if way.up.name != "tcp" || way.down.name == "unix" {
			continue // what stalls on a Unix socket stalls sooner
		}
		t.Run(way.name, func(t *testing.T) {
			before := heap()
			var senders sync.WaitGroup
			var open []link
			var receivers []*peer
			for range links {
				down, up, client, server := way.connect(t)
				open, receivers = append(open, begin(start, down, up, relay.Options{})), append(receivers, client)
				senders.Go(func() {
					_, _ = stream(8).send(server, 0, total, 64<<10)
					_ = server.Close()
				})
			}
			for _, l := range open {
				awaitStall(l)
				if _, down := l.Counts(); down >= total {
					t.Errorf("%d bytes were taken for a client that does not read", down)
				}
			}
			if grown := int64(heap()) - int64(before); grown > links*512<<10 {
				t.Errorf("%d stalled links hold %d bytes of heap", links, grown)
			}
			for i, l := range open[:1] { // one of them catches up, the others are cut off
				if n, err := stream(8).receive(receivers[i], 0, total); n != total || err != nil {
					t.Errorf("catching up: %d bytes, then %v", n, err)
				}
				_ = receivers[i].Close()
				if r := l.result(t); r.Down != total {
					t.Errorf("counted %d bytes, want %d", r.Down, total)
				}
			}
			for _, l := range open[1:] {
				l.Kill(relay.Drained)
				if r := l.result(t); r.Reason != relay.Drained || !r.Cut {
					t.Errorf("result %+v, want it drained and cut", r)
				}
			}
			senders.Wait()
		})
	}
}

// heap returns the bytes of live objects.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// reuse: many short links that are closed, reset and killed while new ones
// take over their descriptors; no byte of one turns up in another.
func reuse(t *testing.T, start Start) {
	const workers, each = 8, 150
	if !bareDescriptors {
		t.Skip("bare descriptors are for Linux")
	}
	for worker := range workers {
		t.Run("worker", func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(uint64(worker), 1))
			for i := range each {
				shortLink(t, start, rnd, stream(worker*each+i)<<8)
			}
		})
	}
}

// shortLink plays one of them on two socket pairs.
func shortLink(t *testing.T, start Start, rnd *rand.Rand, id stream) {
	t.Helper()
	down, clientFD := socketpair(t)
	up, serverFD := socketpair(t)
	client, server := os.NewFile(uintptr(clientFD), "client"), os.NewFile(uintptr(serverFD), "server")
	l := begin(start, down, up, relay.Options{})
	var talk sync.WaitGroup
	n := rnd.Int64N(100_000)
	for i, p := range []*os.File{client, server} {
		mine, theirs := id+stream(i), id+stream(1-i)
		talk.Go(func() { _, _ = mine.send(p, 0, n, piece) })
		talk.Go(func() {
			if _, err := theirs.receive(p, 0, n); errors.Is(err, errPattern) {
				t.Error(err)
			}
		})
	}
	switch rnd.IntN(4) {
	case 0:
		l.Kill(relay.Killed)
	case 1:
		_ = client.Close()
	case 2:
		_ = server.Close()
	default:
		talk.Wait()
	}
	_ = client.SetDeadline(time.Now().Add(time.Duration(rnd.IntN(3)) * time.Millisecond))
	_ = server.SetDeadline(time.Now().Add(time.Duration(rnd.IntN(3)) * time.Millisecond))
	talk.Wait()
	_ = client.Close()
	_ = server.Close()
	l.result(t)
}
