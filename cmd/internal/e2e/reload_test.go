package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/realtest"
)

// echoServer sends back what it gets and ends when its client has.
func echoServer(t testing.TB) net.Addr {
	t.Helper()
	return listen(t, func(c net.Conn) { io.Copy(c, struct{ io.Reader }{c}) })
}

// talker keeps one connection busy and checks that every byte comes back once and
// in order.
type talker struct {
	conn   net.Conn
	number int
	rounds int
}

// round sends a block of this connection's own pattern and waits for it.
func (k *talker) round() error {
	want := make([]byte, 512)
	for i := range want {
		want[i] = byte(k.number*31 + k.rounds*7 + i)
	}
	if k.rounds == 0 {
		copy(want, "TALK") // what the route matches
	}
	k.rounds++
	if _, err := k.conn.Write(want); err != nil {
		return err
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(k.conn, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("round %d came back changed", k.rounds)
	}
	return nil
}

// finish ends the connection in order and expects its end.
func (k *talker) finish() error {
	if err := k.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return err
	}
	if n, err := io.Copy(io.Discard, k.conn); n != 0 || err != nil {
		return fmt.Errorf("at the end %d bytes, %w", n, err)
	}
	return k.conn.Close()
}

func talkTo(t testing.TB, addr netip.AddrPort, number int, roots *x509.CertPool) (*talker, error) {
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	c.SetDeadline(realtest.Deadline(t))
	if roots != nil {
		c = tls.Client(c, &tls.Config{ServerName: "app.example.com", RootCAs: roots})
	}
	k := &talker{conn: c, number: number}
	return k, k.round()
}

func trusting(t testing.TB, files ...string) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	for _, f := range files {
		pem, err := os.ReadFile(f)
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			t.Fatal(f, err)
		}
	}
	return pool
}

func TestAThousandConnectionsSurviveAHundredReloads(t *testing.T) {
	const plain, secure, reloads = 850, 150, 100
	upstreams := []net.Addr{echoServer(t), echoServer(t)}
	cert1, key1 := certificate(t, "app.example.com")
	cert2, key2 := certificate(t, "app.example.com")
	pairs := [][2]string{{cert1, key1}, {cert2, key2}}
	config := func(i int) string {
		extra := ""
		if i%3 == 0 {
			extra = "@ssh ssh\n\t\troute @ssh {\n\t\t\tclose\n\t\t}\n"
		}
		return fmt.Sprintf(`{
	certificate app.example.com %s %s
}
layer4 {
	127.0.0.1:0 {
		%s
		@talk regexp ^TALK
		@tls tls
		route @talk {
			proxy %s
		}
		route @tls {
			tls
			proxy %s
		}
	}
}
`, pairs[i%2][0], pairs[i%2][1], extra, upstreams[i%2], upstreams[(i+1)%2])
	}
	s := serve(t, config(0))
	roots := trusting(t, cert1, cert2)

	talkers := make([]*talker, plain+secure)
	each(t, len(talkers), func(i int) error {
		r := roots
		if i < plain {
			r = nil
		}
		k, err := talkTo(t, s.addr(), i, r)
		talkers[i] = k
		return err
	})
	stop := make(chan struct{})
	var busy sync.WaitGroup
	faults := make(chan error, len(talkers))
	for _, k := range talkers {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := k.round(); err != nil {
					faults <- fmt.Errorf("connection %d: %w", k.number, err)
					return
				}
			}
		})
	}
	for i := range reloads {
		if err := s.load(config(i + 1)); err != nil {
			t.Fatal(err)
		}
		k, err := talkTo(t, s.addr(), i, nil) // and new ones are served
		if err != nil {
			t.Fatal(err)
		}
		if err := k.finish(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.load("layer4 {\n\t127.0.0.1:0 {\n\t\troute @nobody {\n\t\t}\n\t}\n}\n"); err == nil {
		t.Error("a broken configuration was loaded")
	}
	close(stop)
	busy.Wait()
	close(faults)
	for err := range faults {
		t.Error(err)
	}
	each(t, len(talkers), func(i int) error { return talkers[i].finish() })
	eventually(t, "the old generations are gone", func() bool { return len(s.engine.Stats().Generations) == 1 })
	rounds := 0
	for _, k := range talkers {
		rounds += k.rounds
	}
	t.Logf("%d rounds on %d connections", rounds, len(talkers))
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := realtest.Overdue(t)
	for !holds() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// each calls f with every number below n, many at a time.
func each(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	const atATime = 50
	var wg sync.WaitGroup
	turns := make(chan struct{}, atATime)
	for i := range n {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			if err := f(i); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
