package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/engine"
)

// asPoorChild makes the test binary a proxy with 256 descriptors.
const asPoorChild = "DWAAR_TEST_POOR_CHILD"

// descriptorsOfChild is what the child may open.
const descriptorsOfChild = 256

// TestPoorChild is the program of the next test: it prints its address, and its
// counters for every line it reads; it stops at "stop", and ends with its input.
func TestPoorChild(t *testing.T) {
	if os.Getenv(asPoorChild) == "" {
		return // nothing to be shown in this process
	}
	limit := syscall.Rlimit{Cur: descriptorsOfChild, Max: descriptorsOfChild}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	f := start(t, nil)
	f.load(serve("max_connections 100000", "route {", "echo", "}"))
	addr, _ := f.Addr(anyPort)
	fmt.Println("listens", addr)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "stop" {
			hurried, cancel := context.WithCancel(t.Context())
			cancel()
			fmt.Println("stopped", f.Shutdown(hurried))
			continue
		}
		tell(f)
	}
}

// told is what the child says of itself.
type told struct {
	Stats   engine.Stats
	Elapsed time.Duration // since the engine was made
	Paused  int           // lines of the log
	GoesOn  int
	Warned  int
	Shed    int // lines of clients that were turned away, with their address
}

func tell(f *fixture) {
	s := f.Stats()
	b, err := json.Marshal(told{
		s, time.Since(s.Started),
		len(f.lines("accepting pauses: connections wait until descriptors or memory are free")),
		len(f.lines("accepting goes on")),
		len(f.lines("max_connections exceeds what the descriptor limit allows: raise the limit (ulimit -n, systemd: LimitNOFILE=)")),
		len(f.refused("descriptors", "127.0.0.1")),
	})
	if err != nil {
		f.t.Error(err)
	}
	fmt.Println("told", string(b))
}

// child is this test binary as another process.
type child struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
}

// startChild runs cmd until the test ends, and its standard input with it.
func startChild(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		in.Close()
		for c.out.Scan() { // to the end, or Wait would cut it off
			if strings.HasPrefix(c.out.Text(), "---") || strings.HasPrefix(c.out.Text(), "    ") {
				t.Log("child:", c.out.Text())
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child: %v", err)
		}
	})
	return c
}

// line returns the child's next line with that prefix.
func (c *child) line(prefix string) string {
	c.t.Helper()
	for c.out.Scan() {
		if rest, ok := strings.CutPrefix(c.out.Text(), prefix); ok {
			return rest
		}
	}
	c.t.Fatalf("the child ended before it said %q: %v", prefix, c.out.Err())
	return ""
}

func (c *child) ask() (is told) {
	c.t.Helper()
	fmt.Fprintln(c.in, "tell")
	if err := json.Unmarshal([]byte(c.line("told ")), &is); err != nil {
		c.t.Fatal(err)
	}
	return is
}

func TestWithoutDescriptorsItServesWhatItCanAndRecovers(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPoorChild$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), asPoorChild+"=1")
	c := startChild(t, cmd)
	addr := c.line("listens ")
	release := make(chan struct{})
	clients := crowd{t: t, addr: addr}
	const n = 1000
	for range n {
		clients.Go(func() { clients.one(release) })
	}
	await(t, "clients to be turned away", func() bool { return c.ask().Stats.Refused["descriptors"] > 0 })
	if got := clients.served.Load(); got < descriptorsOfChild/2 {
		t.Errorf("%d clients were served with %d descriptors", got, descriptorsOfChild)
	}
	close(release)
	clients.Wait()
	if clients.served.Load()+clients.turnedAway.Load() != n {
		t.Errorf("%d served and %d turned away, of %d", clients.served.Load(), clients.turnedAway.Load(), n)
	}
	if err := once(addr); err != nil {
		t.Errorf("after it was over: %v", err)
	}
	await(t, "the log to tell that it is over", func() bool { is := c.ask(); return is.GoesOn > 0 && is.GoesOn == is.Paused })
	is := c.ask()
	t.Logf("%d served, %d turned away, %d pauses", clients.served.Load(), clients.turnedAway.Load(), is.Stats.AcceptPauses)
	if is.Shed == 0 {
		t.Error("those turned away leave no address")
	}
	// A machine that stands still for a while makes two shortages of one.
	if uint64(is.Paused) >= is.Stats.AcceptPauses || is.Warned != 1 {
		t.Errorf("the log tells %d times of the pauses, %d times of their end, %d times of the cap", is.Paused, is.GoesOn, is.Warned)
	}
	// Every failed accept is followed by a pause of at least 5 ms.
	if most := uint64(is.Elapsed / (5 * time.Millisecond)); is.Stats.AcceptPauses == 0 || is.Stats.AcceptPauses > most {
		t.Errorf("%d pauses in %v", is.Stats.AcceptPauses, is.Elapsed)
	}
}

func TestWithoutDescriptorsItCanBeStopped(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPoorChild$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), asPoorChild+"=1")
	c := startChild(t, cmd)
	addr := c.line("listens ")
	for range 600 { // more than are served, and than are turned away in a second
		client, err := net.DialTimeout("tcp", addr, limit)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
	}
	await(t, "accepting to pause", func() bool { return c.ask().Stats.AcceptPauses > 0 })
	fmt.Fprintln(c.in, "stop")
	if err := c.line("stopped "); err != "<nil>" {
		t.Error(err)
	}
}

// crowd is clients that stay.
type crowd struct {
	sync.WaitGroup
	t                  *testing.T
	addr               string
	served, turnedAway atomic.Int64
}

// one is a client that stays until release is closed, if it is served.
func (c *crowd) one(release <-chan struct{}) {
	switch err := c.hold(release); {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.turnedAway.Add(1)
	case err != nil:
		c.t.Errorf("a client: %v", err)
	}
}

func (c *crowd) hold(release <-chan struct{}) error {
	conn, err := net.DialTimeout("tcp", c.addr, limit)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	if _, err := conn.Write([]byte("x")); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return err
	}
	c.served.Add(1)
	<-release
	return nil
}
