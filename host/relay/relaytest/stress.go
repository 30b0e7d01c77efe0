package relaytest

import (
	"errors"
	"io"
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
	const rounds = 15
	for _, way := range routes(t) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			for round := range rounds {
				killRace(t, start, way, int64(round*40_000))
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

// killRace kills a busy link from several goroutines at once, when moment,
// 2*moment… bytes have moved.
func killRace(t *testing.T, start Start, way route, moment int64) {
	const killers = 4
	down, up, client, server := way.connect(t)
	var talk sync.WaitGroup
	for i, p := range []*peer{client, server} {
		talk.Go(func() { _, _ = stream(i).send(p, 0, flood, piece) }) // until it is killed
		talk.Go(func() { listen(t, p, stream(1-i), flood) })
	}
	l := begin(start, down, up, relay.Options{})
	var over atomic.Bool
	for i := range int64(killers) {
		talk.Go(func() {
			for up, down := l.Counts(); up+down < moment*(i+1) && !over.Load(); up, down = l.Counts() {
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

// listen receives up to n bytes of s until something ends that; only a wrong
// byte is an error.
func listen(t testing.TB, r io.Reader, s stream, n int64) {
	t.Helper()
	if _, err := s.receive(r, 0, n); errors.Is(err, errPattern) {
		t.Error(err)
	}
}

// slowReaders: a reader that stops holds the sender back; memory stays where
// it was; when it reads again, everything comes.
func slowReaders(t *testing.T, start Start) {
	for _, way := range routes(t) {
		if way.up.name == "tcp" && way.down.name != "unix" { // that one stalls sooner
			t.Run(way.name, func(t *testing.T) { stall(t, start, way) })
		}
	}
}

func stall(t *testing.T, start Start, way route) {
	const links, total = 4, int64(64 << 20) // more than all the kernel holds
	before := heap()
	var senders sync.WaitGroup
	var open [links]link
	var receivers [links]*peer
	for i := range links {
		down, up, client, server := way.connect(t)
		open[i], receivers[i] = begin(start, down, up, relay.Options{}), client
		senders.Go(func() {
			_, _ = stream(8).send(server, 0, total, 64<<10) // until it is killed
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
	receivers[0].expect(t, 8, total) // one catches up, the others are cut off
	_ = receivers[0].Close()
	if r := open[0].result(t); r.Down != total {
		t.Errorf("counted %d bytes, want %d", r.Down, total)
	}
	for _, l := range open[1:] {
		l.Kill(relay.Drained)
		if r := l.result(t); r.Reason != relay.Drained || !r.Cut {
			t.Errorf("result %+v, want it drained and cut", r)
		}
	}
	senders.Wait()
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
	const workers, each = 8, 100
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
		talk.Go(func() { listen(t, p, theirs, n) })
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
