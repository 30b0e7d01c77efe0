package reactor

import (
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

// The benchmarks run both paths, one after the other, so that their ratio is
// of one run: go test -bench . -count 6.
func BenchmarkRelay(b *testing.B) {
	rs := newReactors(b, 1)
	for _, path := range []struct {
		name  string
		start relaytest.Start
	}{{"goroutines", relay.Start}, {"reactor", rs.Start}} {
		b.Run("path="+path.name, func(b *testing.B) {
			b.Run("ping-pong of 64 bytes, connections=1", func(b *testing.B) { pingPong(b, path.start, 1) })
			b.Run("ping-pong of 64 bytes, connections=32", func(b *testing.B) { pingPong(b, path.start, 32) })
			b.Run("bulk, streams=1", func(b *testing.B) { bulkStreams(b, path.start, 1) })
			b.Run("bulk, streams=8", func(b *testing.B) { bulkStreams(b, path.start, 8) })
			b.Run("short link", func(b *testing.B) { shortLinks(b, path.start) })
		})
	}
}

// tcpFDs makes a TCP connection without Go's poller: the peers of a benchmark
// must not depend on the scheduler that is measured.
func tcpFDs(b *testing.B) (near, far int) {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	a, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _, _ = a.Close(), c.Close() }()
	near, err1 := duplicate(a)
	far, err2 := duplicate(c)
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	return near, far
}

// joined makes n links and returns the far ends, as blocking descriptors.
func joined(b *testing.B, start relaytest.Start, n int) (clients, servers []int) {
	b.Helper()
	for range n {
		down, client := tcpFDs(b)
		up, server := tcpFDs(b)
		for _, fd := range []int{client, server} {
			if err := unix.SetNonblock(fd, false); err != nil {
				b.Fatal(err)
			}
		}
		start(relay.Endpoint{FD: down}, relay.Endpoint{FD: up}, relay.Options{Idle: time.Hour})
		clients, servers = append(clients, client), append(servers, server)
	}
	b.Cleanup(func() {
		for i := range clients {
			_, _ = unix.Close(clients[i]), unix.Close(servers[i])
		}
	})
	return clients, servers
}

// processTime is the CPU time of this process, its peers included.
func processTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pingPong sends 64 bytes there and back, on n connections at a time: one
// thread writes to all and then reads from all, another answers.
func pingPong(b *testing.B, start relaytest.Start, n int) {
	clients, servers := joined(b, start, n)
	for _, fd := range servers {
		go func() {
			var buf [64]byte
			for {
				if m, err := unix.Read(fd, buf[:]); m <= 0 || err != nil {
					return
				}
				if _, err := unix.Write(fd, buf[:]); err != nil {
					return
				}
			}
		}()
	}
	var buf [64]byte
	cpu := processTime()
	b.ReportAllocs()
	for b.Loop() {
		for _, fd := range clients {
			if _, err := unix.Write(fd, buf[:]); err != nil {
				b.Fatal(err)
			}
		}
		for _, fd := range clients {
			if m, err := unix.Read(fd, buf[:]); m != 64 || err != nil {
				b.Fatal(m, err)
			}
		}
	}
	b.ReportMetric(float64(processTime()-cpu)/float64(b.N*n), "cpu-ns/msg")
	for i := range clients {
		_ = unix.Shutdown(clients[i], unix.SHUT_WR)
	}
}

// bulkStreams moves 1 MiB per stream and iteration towards the clients.
func bulkStreams(b *testing.B, start relaytest.Start, n int) {
	clients, servers := joined(b, start, n)
	const block = 1 << 20
	b.SetBytes(int64(block * n))
	b.ReportAllocs()
	cpu := processTime()
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			out := make([]byte, block)
			for range b.N {
				for left := out; len(left) > 0; {
					m, err := unix.Write(servers[i], left)
					if err != nil {
						b.Error(err)
						return
					}
					left = left[m:]
				}
			}
		})
		all.Go(func() {
			in := make([]byte, 256<<10)
			for got := 0; got < b.N*block; {
				m, err := unix.Read(clients[i], in)
				if m <= 0 {
					b.Error(io.ErrUnexpectedEOF, err)
					return
				}
				got += m
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(processTime()-cpu)/float64(b.N*n), "cpu-ns/MiB")
}

// shortLinks starts and ends one link per iteration.
func shortLinks(b *testing.B, start relaytest.Start) {
	done := make(chan struct{}, 1)
	o := relay.Options{Done: func(relay.Result) { done <- struct{}{} }}
	b.ReportAllocs()
	for b.Loop() {
		down, client := pair(b)
		up, server := pair(b)
		start(relay.Endpoint{FD: down}, relay.Endpoint{FD: up}, o)
		_, _ = unix.Close(client), unix.Close(server)
		<-done
	}
}
