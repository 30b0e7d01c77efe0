package loop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/relay/relaytest"
)

// The benchmarks run both paths, one after the other, so that their ratio is
// of one run: go test -bench . -count 6. The peers are a process of their own,
// so that its CPU time and its scheduler are not what is measured.
func BenchmarkRelay(b *testing.B) {
	rs := newLoops(b, 1)
	for _, path := range []struct {
		name  string
		start relaytest.Start
	}{{"io.Copy", copying}, {"goroutines", relay.Start}, {"loop", rs.Start}} {
		b.Run("path="+path.name, func(b *testing.B) {
			for _, n := range []int{1, 32} {
				b.Run("ping-pong of 64 bytes, connections="+strconv.Itoa(n), func(b *testing.B) {
					withPeers(b, path.start, "ping-pong", n, n)
				})
			}
			for _, n := range []int{1, 8} {
				b.Run("MiB, streams="+strconv.Itoa(n), func(b *testing.B) {
					b.SetBytes(int64(n << 20))
					withPeers(b, path.start, "flood", n, n)
				})
			}
			if path.name != "io.Copy" {
				b.Run("short link", func(b *testing.B) { shortLinks(b, path.start) })
			}
		})
	}
}

// uncontrolled is a link that cannot be killed and counts nothing.
type uncontrolled struct{}

func (uncontrolled) Kill(relay.Reason)        {}
func (uncontrolled) Counts() (up, down int64) { return 0, 0 }

// copying is what one writes first: io.Copy both ways, which splices. It is
// here to be compared with, and breaks most rules of the suite.
func copying(down, up relay.Endpoint, o relay.Options) *relay.Link {
	var halves sync.WaitGroup
	for _, half := range [][2]net.Conn{{down.Conn, up.Conn}, {up.Conn, down.Conn}} {
		halves.Go(func() {
			_, _ = io.Copy(half[0], half[1])
			_ = half[0].(relay.CloseWriter).CloseWrite()
		})
	}
	go func() {
		halves.Wait()
		_, _ = down.Conn.Close(), up.Conn.Close()
		o.Done(relay.Result{})
	}()
	l := relay.LinkTo(uncontrolled{})
	return &l
}

// processTime is the CPU time of this process.
func processTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// withPeers lets another process play b.N rounds over n links, and reports the
// CPU time of this one per unit, of which each round has so many.
func withPeers(b *testing.B, start relaytest.Start, play string, n, units int) {
	var ports [2]net.Listener
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer ln.Close()
		ports[i] = ln
	}
	peers := exec.Command(os.Args[0], "-test.run=^$")
	peers.Env = append(os.Environ(), "RELAY_PEERS="+play,
		fmt.Sprint("RELAY_LINKS=", n), "RELAY_DOWN="+ports[0].Addr().String(), "RELAY_UP="+ports[1].Addr().String())
	peers.Stderr = os.Stderr
	orders, err1 := peers.StdinPipe()
	reports, err2 := peers.StdoutPipe()
	if err := errors.Join(err1, err2, peers.Start()); err != nil {
		b.Fatal(err)
	}
	var over sync.WaitGroup
	for range n {
		down, err1 := ports[0].Accept()
		up, err2 := ports[1].Accept()
		if err := errors.Join(err1, err2); err != nil {
			b.Fatal(err)
		}
		over.Add(1)
		start(relay.Endpoint{Conn: down}, relay.Endpoint{Conn: up}, relay.Options{
			Idle: time.Hour, Done: func(relay.Result) { over.Done() },
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	cpu := processTime()
	fmt.Fprintln(orders, b.N)
	var played int
	if _, err := fmt.Fscan(reports, &played); err != nil || played != b.N {
		b.Fatal("the peers played", played, "rounds:", err)
	}
	cpu = processTime() - cpu
	b.StopTimer()
	_ = orders.Close()
	_ = peers.Wait()
	both := cpu + peers.ProcessState.UserTime() + peers.ProcessState.SystemTime()
	b.ReportMetric(float64(cpu)/float64(b.N*units), "cpu-ns/unit")
	b.ReportMetric(float64(both)/float64(b.N*units), "with-peers-ns/unit") // the kernel charges one for the other's packets
	over.Wait()
}

// TestMain is also the program of the peers.
func TestMain(m *testing.M) {
	if play := os.Getenv("RELAY_PEERS"); play != "" {
		if err := peers(play); err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// peers connects and plays as many rounds as it is told, until it is told
// nothing more.
func peers(play string) error {
	n, err := strconv.Atoi(os.Getenv("RELAY_LINKS"))
	if err != nil {
		return err
	}
	var ends [2][]int // clients, servers
	for range n {
		for i, address := range []string{os.Getenv("RELAY_DOWN"), os.Getenv("RELAY_UP")} {
			c, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			fd, err := duplicate(c)
			if err != nil {
				return err
			}
			_ = c.Close()
			if err := unix.SetNonblock(fd, false); err != nil {
				return err
			}
			ends[i] = append(ends[i], fd)
		}
	}
	for {
		var rounds int
		if _, err := fmt.Scan(&rounds); err != nil {
			return nil // the bench is over
		}
		err := map[string]func(clients, servers []int, rounds int) error{"ping-pong": pingPong, "flood": flood}[play](ends[0], ends[1], rounds)
		if err != nil {
			return err
		}
		fmt.Println(rounds)
	}
}

// pingPong sends 64 bytes on all links, answers them and receives the answers.
func pingPong(clients, servers []int, rounds int) error {
	var buf [64]byte
	each := func(do func(int, []byte) (int, error), list []int) error {
		for _, fd := range list {
			if n, err := do(fd, buf[:]); n != len(buf) {
				return fmt.Errorf("%d bytes: %w", n, err)
			}
		}
		return nil
	}
	for range rounds {
		if err := errors.Join(each(unix.Write, clients), each(unix.Read, servers),
			each(unix.Write, servers), each(unix.Read, clients)); err != nil {
			return err
		}
	}
	return nil
}

// flood sends a MiB per round on all links at a time, from the servers.
func flood(clients, servers []int, rounds int) error {
	var all sync.WaitGroup
	failures := make(chan error, 2*len(clients))
	flow := func(do func(int, []byte) (int, error), fd int) {
		all.Go(func() {
			buf := make([]byte, 256<<10)
			for left := rounds << 20; left > 0; {
				n, err := do(fd, buf[:min(len(buf), left)])
				if n <= 0 {
					failures <- fmt.Errorf("%d bytes left: %w", left, err)
					return
				}
				left -= n
			}
		})
	}
	for i := range clients {
		flow(unix.Write, servers[i])
		flow(unix.Read, clients[i])
	}
	all.Wait()
	close(failures)
	return <-failures
}

// A million clients: what one of them takes, and how long a collection lasts that
// finds all of them alive. Slots hold no pointer, so that it looks at the owners only,
// here a Client each.
func BenchmarkAMillionClients(b *testing.B) {
	const n = 1_000_000
	for _, what := range []string{"nothing", "slots", "slots and owners"} {
		b.Run(what, func(b *testing.B) {
			before := heapOf()
			slots := newSlab()
			for range n {
				switch what {
				case "slots":
					slots.take(nil)
				case "slots and owners":
					slots.take(&new(Client).link)
				}
			}
			each := float64(heapOf()-before) / n
			for b.Loop() {
				runtime.GC()
			}
			b.ReportMetric(each, "bytes/client")
			runtime.KeepAlive(&slots)
		})
	}
}

// heapOf returns the bytes of live objects.
func heapOf() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// shortLinks starts and ends one link per iteration.
func shortLinks(b *testing.B, start relaytest.Start) {
	done := make(chan struct{}, 1)
	o := relay.Options{Done: func(relay.Result) { done <- struct{}{} }}
	b.ReportAllocs()
	cpu := processTime()
	for b.Loop() {
		down, client := pair(b)
		up, server := pair(b)
		start(relay.Endpoint{FD: down}, relay.Endpoint{FD: up}, o)
		_, _ = unix.Close(client), unix.Close(server)
		<-done
	}
	b.ReportMetric(float64(processTime()-cpu)/float64(b.N), "cpu-ns/unit")
}
