package relaytest

import (
	"io"
	"runtime"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Bench measures an implementation: bulk, ping-pong, short links.
func Bench(b *testing.B, start Start) {
	for _, way := range routes(b) {
		b.Run("bulk/"+way.name, func(b *testing.B) { bulk(b, start, way) })
	}
	for _, way := range routes(b) {
		b.Run("ping-pong of 64 bytes/"+way.name, func(b *testing.B) { pingPong(b, start, way) })
	}
	if bareDescriptors {
		b.Run("short link", func(b *testing.B) { shortLinks(b, start) })
	}
}

// bulk moves 64 KiB per iteration, in one direction.
func bulk(b *testing.B, start Start, way route) {
	down, up, client, server := way.connect(b)
	l := begin(start, down, up, relay.Options{})
	block := stream(1).bytes(64 << 10)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		defer server.Close()
		for range b.N {
			if _, err := server.Write(block); err != nil {
				return
			}
		}
	}()
	if n, err := io.CopyN(io.Discard, struct{ io.Reader }{client}, int64(b.N)*int64(len(block))); err != nil {
		b.Fatalf("receiving: %d bytes, then %v", n, err)
	}
	b.StopTimer()
	_ = client.Close()
	l.result(b)
}

// pingPong sends 64 bytes there and back per iteration.
func pingPong(b *testing.B, start Start, way route) {
	down, up, client, server := way.connect(b)
	l := begin(start, down, up, relay.Options{})
	go func() { _, _ = io.Copy(struct{ io.Writer }{server}, struct{ io.Reader }{server}) }()
	ping := stream(1).bytes(64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(ping); err != nil {
			b.Fatalf("sending: %v", err)
		}
		if _, err := io.ReadFull(client, ping); err != nil {
			b.Fatalf("receiving: %v", err)
		}
	}
	l.Kill(relay.Killed)
	_ = server.Close()
	l.result(b)
}

// shortLinks makes and kills one link per iteration; allocations are those of
// a link on two bare descriptors, its two os.Files included.
func shortLinks(b *testing.B, start Start) {
	done := make(chan struct{}, 1)
	o := relay.Options{Done: func(relay.Result) { done <- struct{}{} }}
	b.ReportAllocs()
	for b.Loop() {
		down, client := socketpair(b)
		up, server := socketpair(b)
		l := start(down, up, o)
		l.Kill(relay.Killed)
		<-done
		closeDescriptor(client)
		closeDescriptor(server)
	}
}

// IdleLink returns how many bytes of heap and of stacks a link holds while its
// peers are silent, on top of its connections, and for each kind of route.
func IdleLink(t *testing.T, start Start) map[string]int64 {
	t.Helper()
	const links = 200
	size := map[string]int64{}
	for _, way := range routes(t) {
		var downs, ups [links]relay.Endpoint
		for i := range links {
			downs[i], ups[i], _, _ = way.connect(t)
		}
		before := heapAndStacks()
		var open [links]link
		for i := range links {
			open[i] = begin(start, downs[i], ups[i], relay.Options{Idle: patience})
		}
		least := heapAndStacks()
		for range 5 { // until every goroutine has come to where it waits
			time.Sleep(5 * time.Millisecond)
			least = min(least, heapAndStacks())
		}
		size[way.name] = (int64(least) - int64(before)) / links
		for _, l := range open {
			l.Kill(relay.Killed)
			l.result(t)
		}
	}
	return size
}

// heapAndStacks returns the bytes of live objects and of stacks in use, after
// the collections it takes until a stack that was larger once, or that began
// as large as those of goroutines before it, has shrunk.
func heapAndStacks() uint64 {
	for range 4 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
