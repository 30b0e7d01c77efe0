package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
)

// howManyRoutes is 100,000 (make manyroutes), or what is done in some seconds, also under
// the race detector, where everything takes ten times as long.
func howManyRoutes() int {
	if n, err := strconv.Atoi(os.Getenv("ROUTES")); err == nil {
		return n
	}
	if raceDetector {
		return 2_000
	}
	return 20_000
}

// manyRoutes has n routes by a server name, with an upstream each, and among them the one
// of the talkers. mark tells configurations apart.
func manyRoutes(n int, mark string, talk, last net.Addr) string {
	var sets, routes strings.Builder
	route := func(name, matcher, to string) {
		fmt.Fprintf(&sets, "\t\t@%s %s\n", name, matcher)
		fmt.Fprintf(&routes, "\t\troute @%s {\n\t\t\tproxy %s\n\t\t}\n", name, to)
	}
	for i := range n {
		if i == n/2 {
			route("talk", "regexp ^TALK", talk.String())
		}
		to := fmt.Sprintf("10.%d.%d.%d:443", 1+i>>16, i>>8&255, i&255)
		if i == n-1 {
			to = last.String()
		}
		route(fmt.Sprintf("n%d", i), fmt.Sprintf("tls sni %s%d.example.org", mark, i), to)
	}
	return "layer4 {\n\t127.0.0.1:0 {\n" + sets.String() + routes.String() + "\t}\n}\n"
}

// helloFor returns the ClientHello of crypto/tls for a server name.
func helloFor(t *testing.T, name string) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_ = tls.Client(theirs, &tls.Config{ServerName: name}).Handshake() // nobody answers
		_ = theirs.Close()
	}()
	head := make([]byte, 5) // RFC 8446, section 5.1
	if _, err := io.ReadFull(ours, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(ours, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// echoed sends a hello that the route of its name echoes.
func echoed(t *testing.T, s *served, name string) {
	t.Helper()
	c, err := net.Dial("tcp", s.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(realtest.Deadline(t)); err != nil {
		t.Fatal(err)
	}
	want := helloFor(t, name)
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("a client of %s: %v", name, err)
	}
}

// heap is what is in use after a collection, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A configuration of very many routes is validated and served, and one reload after the
// other disturbs no connection and leaves no memory behind.
func TestReloadsOfManyRoutesDisturbNobody(t *testing.T) {
	n, talk := howManyRoutes(), echoServer(t)
	last := echoServer(t)
	before := heap()
	s := serve(t, manyRoutes(n, "a", talk, last))
	echoed(t, s, fmt.Sprintf("a%d.example.org", n-1))
	first := heap() - before

	talkers := make([]*talker, 50)
	each(t, len(talkers), func(i int) (err error) {
		talkers[i], err = talkTo(t, s.addr(), i, nil)
		return err
	})
	busy, stop := sync.WaitGroup{}, make(chan struct{})
	for _, k := range talkers {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := k.round(); err != nil {
					t.Errorf("connection %d: %v", k.number, err)
					return
				}
			}
		})
	}
	marks := []string{"b", "c"}
	for _, mark := range marks {
		text := manyRoutes(n, mark, talk, last)
		g, err := s.build(text)
		if err != nil {
			t.Fatal(err)
		}
		if routes := strings.Count(g.String(), "\n       proxy "); routes != n+1 {
			t.Errorf("%d routes are validated, want %d", routes, n+1)
		}
		if err := s.engine.Load(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		echoed(t, s, fmt.Sprintf("%s%d.example.org", mark, n-1))
	}
	close(stop)
	busy.Wait()
	each(t, len(talkers), func(i int) error { return talkers[i].finish() })
	eventually(t, "the old generations are gone", func() bool { return len(s.engine.Stats().Generations) == 1 })
	rounds := 0
	for _, k := range talkers {
		rounds += k.rounds
	}
	var after uint64
	eventually(t, "the memory of the old generations is free", func() bool {
		after = max(heap(), before) - before
		return after <= first+first/2
	})
	t.Logf("%d routes in %d bytes: %d bytes of heap first, %d after %d reloads; %d blocks of 512 bytes echoed meanwhile",
		n, len(manyRoutes(n, "a", talk, last)), first, after, len(marks), rounds)
}
