package wasm

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkConnections is the time that the process of a proxy takes for a connection,
// accepted, routed by a ClientHello of 1.5 kB, and proxied, when the route is decided
// by the native matcher, by one plugin, and by the last of ten. Clients and the upstream
// are another process. Each round is all of them, in another order; the same proxy
// stands beside itself and says what can be told apart.
//
//	go test -run '^$' -bench Connections -benchtime 300x ./host/wasm
//
// Microseconds; extra is above native, for each plugin that is evaluated, as the median
// of all rounds with the interval that holds 95 % of resampled ones.
func BenchmarkConnections(b *testing.B) {
	hellos, names := manyNames(b, 12)
	peer := startPeer(b)
	subjects := []string{"native", "native again", "one plugin", "last of ten"}
	proxies := make([]*live, len(subjects))
	for i, config := range []string{
		routed("", nativeRoute(names[11]), peer.upstream), routed("", nativeRoute(names[11]), peer.upstream),
		pluginRoutes(names[11:], peer.upstream), pluginRoutes(names[2:], peer.upstream),
	} {
		proxies[i] = goLive(b, config)
	}
	took := make([][]float64, len(subjects))
	for i := 0; b.Loop(); i++ {
		for j := range subjects {
			n := (i + j) % len(subjects)
			took[n] = append(took[n], peer.connect(b, proxies[n], hellos[11]))
		}
	}
	b.ReportMetric(median(took[0]), "native-µs")
	for i, plugins := range []float64{1: 1, 2: 1, 3: 10} {
		if i == 0 {
			continue
		}
		extra := make([]float64, len(took[i]))
		for j := range extra {
			extra[j] = (took[i][j] - took[0][j]) / plugins
		}
		name := strings.ReplaceAll(subjects[i], " ", "-")
		low, high := interval(extra)
		b.ReportMetric(median(extra), name+"-extra-µs")
		b.ReportMetric(low, name+"-low-µs")
		b.ReportMetric(high, name+"-high-µs")
	}
	b.ReportMetric(0, "ns/op")
}

// interval is where 95 % of the medians of resampled lists lie.
func interval(list []float64) (low, high float64) {
	const times = 1000
	r := rand.New(rand.NewPCG(3, 5))
	medians := make([]float64, times)
	again := make([]float64, len(list))
	for i := range medians {
		for j := range again {
			again[j] = list[r.IntN(len(list))]
		}
		medians[i] = median(again)
	}
	slices.SortFunc(medians, cmp.Compare)
	return medians[times/40], medians[times-times/40-1]
}

func routed(plugins, routes, upstream string) string {
	return fmt.Sprintf("{%s\n}\nlayer4 {\n\t127.0.0.1:0 {%s\n\t}\n}\n", plugins, strings.ReplaceAll(routes, "UPSTREAM", upstream))
}

func nativeRoute(name string) string {
	return "\n\t\t@a {\n\t\t\ttls {\n\t\t\t\tsni " + name + "\n\t\t\t}\n\t\t}\n\t\troute @a {\n\t\t\tproxy UPSTREAM\n\t\t}"
}

// pluginRoutes are routes by one plugin for each name, by turns of both guests.
func pluginRoutes(names []string, upstream string) string {
	var plugins, routes strings.Builder
	for i, name := range names {
		fmt.Fprintf(&plugins, "\n\tplugin p%d %s", i, []string{sniStoreGuest, sniGuest}[i%2])
		fmt.Fprintf(&routes, "\n\t\t@a%d {\n\t\t\tp%d %s\n\t\t}\n\t\troute @a%d {\n\t\t\tproxy UPSTREAM\n\t\t}", i, i, name, i)
	}
	return routed(plugins.String(), routes.String(), upstream)
}

// burst is how many connections are made at a time.
const burst = 200

// peerProcess is a process with the clients and the upstream of a benchmark.
type peerProcess struct {
	upstream string
	in       io.Writer
	out      *bufio.Reader
}

func startPeer(b *testing.B) *peerProcess {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), self, "peer", "-") // ends with its input
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close() // it ends then
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	p := &peerProcess{in: in, out: bufio.NewReader(out)}
	p.upstream = p.line(b)
	return p
}

func (p *peerProcess) line(b *testing.B) string {
	b.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// connect has a burst of connections made and returns the microseconds that each took
// of this process.
func (p *peerProcess) connect(b *testing.B, s *live, hello []byte) float64 {
	b.Helper()
	addr, _ := s.engine.Addr("127.0.0.1:0")
	before := processTime()
	fmt.Fprintf(p.in, "%s %x\n", addr, hello)
	if said := p.line(b); said != "done" {
		b.Fatal(said)
	}
	return float64((processTime() - before).Nanoseconds()) / 1000 / burst
}

// processTime is how long all threads of this process have had a processor.
func processTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for unknown subjects only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// servePeer is the other process: for each line of an address and a hello it makes a
// burst of connections there, which come out at its upstream.
func servePeer(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go upstream(l)
	fmt.Fprintln(out, l.Addr())
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var addr string
		var hello []byte
		if _, err := fmt.Sscanf(lines.Text(), "%s %x", &addr, &hello); err != nil {
			return err
		}
		if err := connections(addr, hello); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
	return nil
}

// upstream answers the beginning of each connection and closes it.
func upstream(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.ReadAtLeast(c, make([]byte, 4096), 1500)
			_, _ = io.WriteString(c, "ok")
		}()
	}
}

func connections(addr string, hello []byte) error {
	errs := make(chan error, burst)
	turns := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for range burst {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			errs <- connection(addr, hello)
		})
	}
	wg.Wait()
	for range burst {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func connection(addr string, hello []byte) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(hello); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if err == nil && string(got) != "ok" {
		err = fmt.Errorf("the upstream said %q", got)
	}
	return err
}
