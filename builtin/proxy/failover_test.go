package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
)

// nameServer is a DNS server whose names all lead to one address, which may change; with
// none it does not answer.
type nameServer struct {
	addr  string
	leads atomic.Pointer[string]
	asked atomic.Int64
}

func serveNames(t *testing.T, leads string) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{addr: conn.LocalAddr().String()}
	n.leads.Store(&leads)
	s := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		n.asked.Add(1)
		a := new(dns.Msg).SetReply(q)
		switch to := *n.leads.Load(); {
		case to == "":
			return
		case q.Question[0].Qtype == dns.TypeA:
			rr, err := dns.NewRR(q.Question[0].Name + " 3600 IN A " + to) // a TTL that nobody waits for
			if err != nil {
				t.Error(err)
			}
			a.Answer = append(a.Answer, rr)
		}
		_ = w.WriteMsg(a)
	})}
	over := make(chan error)
	go func() { over <- s.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = conn.Close()
		<-over
	})
	return n
}

func (n *nameServer) lookup() names.Lookup { return (&names.System{Server: n.addr}).Lookup }

// TestNoClientIsLostWhenANameMoves has a name lead elsewhere while the old address refuses.
func TestNoClientIsLostWhenANameMoves(t *testing.T) {
	t.Parallel()
	old := serveAt(t, "old", "127.0.0.1:0")
	_, port, _ := strings.Cut(old.addr, ":")
	now := serveAt(t, "new", "127.0.0.2:"+port)
	n := serveNames(t, "127.0.0.1")
	b := &builder{}
	h, err := b.make(t, "proxy db.example.:"+port, n.lookup())
	if err != nil {
		h, err = b.make(t, "proxy db.example:"+port, n.lookup())
	}
	if err != nil {
		t.Fatal(err)
	}
	start(t, b, &logs{})
	s := hosttest.Serve(t, h, nil)
	if got := exchange(t, s.Addr, ""); got != "old" {
		t.Fatalf("got %q", got)
	}
	to := "127.0.0.2"
	n.leads.Store(&to)
	old.stop()
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if got := exchange(t, s.Addr, ""); got != "new" {
				t.Errorf("got %q", got)
			}
		})
	}
	all.Wait()
	for range 31 {
		if o := s.Outcome(t); o.Code.String() != "client.relay.closed" {
			t.Errorf("ended %v: %v", o.Code, o.Err)
		}
	}
	if st := h.primaries[0].up.State(); st.Failures != 0 || st.Health != upstream.Up || now.count() != 30 {
		t.Errorf("%+v, and the new one had %d", st, now.count())
	}
}

// TestANameThatMovesWhileItsUpstreamIsOutIsFoundSoon has no client ask: the upstream is
// out, and its name is asked for every two seconds until it leads elsewhere.
func TestANameThatMovesWhileItsUpstreamIsOutIsFoundSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var leads atomic.Pointer[[]netip.Addr]
		set := func(text string) { a := addrs(text); leads.Store(&a) }
		set("192.0.2.1")
		var asked atomic.Int64
		b := &builder{}
		h, err := b.make(t, "proxy db.example:1 {\nmax_fails 1\nfail_duration 1h\n}", func(context.Context, string, string) ([]netip.Addr, error) {
			asked.Add(1)
			return *leads.Load(), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, a := range b.Actors() {
			running.Go(func() { _ = a.Run(ctx) })
		}
		synctest.Wait()
		c := client("192.0.2.9:1", nil)
		d, err := h.PlanWait(ctx, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Failed(c.Log(), syscall.ECONNREFUSED)
		if _, err = h.PlanWait(ctx, c, syscall.ECONNREFUSED); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v, want why the address failed", err)
		}
		if st := h.primaries[0].up.State(); st.Health != upstream.Out || st.Failures != 1 {
			t.Errorf("%+v", st)
		}
		set("192.0.2.2")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		d, err = h.Plan(client("192.0.2.9:1", nil), nil)
		if err != nil || d.Addr.Addr().String() != "192.0.2.2" {
			t.Errorf("three seconds later: %v, %v", d.Addr, err)
		}
		before := asked.Load()
		time.Sleep(10 * time.Minute)
		if n := asked.Load() - before; n < 18 || n > 60 {
			t.Errorf("asked %d times in ten minutes, long after the failure", n)
		}
		cancel()
		running.Wait()
	})
}

// TestANameThatLeadsNowhereNewFailsAsBefore has every client get the reason of its last
// attempt, and the name not be asked for without end.
func TestANameThatLeadsNowhereNewFailsAsBefore(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	h, err := (&builder{}).make(t, "proxy db.example:1 {\nmax_fails off\n}", func(context.Context, string, string) ([]netip.Addr, error) {
		asked.Add(1)
		return addrs("127.0.0.1", "127.0.0.2"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s := hosttest.Serve(t, h, nil)
	for i := range 5 {
		exchange(t, s.Addr, "")
		if o := s.Outcome(t); o.Code.String() != "upstream.connect.refused" || !errors.Is(o.Err, syscall.ECONNREFUSED) || errors.Is(o.Err, errSpent) {
			t.Errorf("ended %v: %v", o.Code, o.Err)
		}
		if st := h.primaries[0].up.State(); st.Failures != uint64(i+1) || st.Conns != 0 {
			t.Errorf("%+v", st)
		}
	}
	if n := asked.Load(); n > 6 {
		t.Errorf("asked %d times for five clients", n)
	}
}

// TestAHangingNameServerHoldsUpTheNextUpstreamForASecond has the other upstream be reached
// although nobody answers where the first one is now.
func TestAHangingNameServerHoldsUpTheNextUpstreamForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := true
		h, err := (&builder{}).make(t, "proxy db.example:1 192.0.2.7:1 {\nlb_policy first\n}", func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			if first {
				first = false
				return addrs("192.0.2.1"), nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		c := client("192.0.2.9:1", nil)
		d, err := h.PlanWait(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Failed(c.Log(), syscall.ECONNREFUSED)
		began := time.Now()
		d, err = h.PlanWait(t.Context(), c, syscall.ECONNREFUSED)
		if err != nil || d.Addr.Addr().String() != "192.0.2.7" || time.Since(began) != askWithin {
			t.Errorf("%v after %v: %v", d.Addr, time.Since(began), err)
		}
		d.Dropped()
	})
}

func TestANameForManyAddressesIsTriedEightTimes(t *testing.T) {
	t.Parallel()
	var many []netip.Addr
	for i := range 200 {
		many = append(many, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	look := func(context.Context, string, string) ([]netip.Addr, error) { return many, nil }
	for _, text := range []string{"proxy db.example:1 {\nmax_fails off\n}", "proxy {vars.x}:1"} {
		h, err := (&builder{}).make(t, text, look)
		if err != nil {
			t.Fatal(err)
		}
		c := client("192.0.2.9:1", nil)
		set(c, "x", "db.example")
		var last error
		tries := 0
		for {
			d, err := h.PlanWait(t.Context(), c, last)
			if err != nil {
				break
			}
			tries++
			last = syscall.ECONNREFUSED
			d.Failed(c.Log(), last)
		}
		if tries != maxTries {
			t.Errorf("%s: %d tries", text, tries)
		}
	}
}

// TestWhoCannotBeResolvedForWantOfRoomEndsByACap asks for more names than may be under
// way and wait.
func TestWhoCannotBeResolvedForWantOfRoomEndsByACap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, err := (&builder{}).make(t, "proxy {vars.x}:443", func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range lookupsOfCrowd {
			all.Go(func() {
				c := client("192.0.2.9:1", nil)
				set(c, "x", fmt.Sprintf("n%d.example.com", i))
				_, _ = h.PlanWait(ctx, c, nil)
			})
		}
		synctest.Wait()
		c := client("192.0.2.9:2", nil)
		set(c, "x", "last.example.com")
		began := time.Now()
		_, err = h.PlanWait(ctx, c, nil)
		var end *host.EndError
		if !errors.As(err, &end) || end.By != host.ByProxy || end.Why != host.Cap || time.Since(began) != longestWait {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		stop()
		all.Wait()
	})
}
