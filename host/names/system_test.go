package names

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dwaar.dev/dwaar/host/realtest"
)

// server begins a DNS server for the test and returns its address.
func server(t *testing.T, answer dns.HandlerFunc) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: conn, Handler: answer}
	over := make(chan error)
	go func() { over <- s.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = conn.Close()
		<-over
	})
	return conn.LocalAddr().String()
}

// TestLookupsThatHangAreBoundedAndEndWithTheirWaiters asks a server that never answers.
func TestLookupsThatHangAreBoundedAndEndWithTheirWaiters(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := &System{Server: server(t, func(dns.ResponseWriter, *dns.Msg) { asked.Add(1) })}
	p := New(s.Lookup, Limits{AtOnce: 4, Waiting: 512})
	ctx, giveUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if _, err := p.Resolve(ctx, crowdOf(i), fmt.Sprintf("n%d.example.", i)); err == nil {
				t.Error("a name was resolved")
			}
		})
	}
	until(t, "lookups are under way", func() bool { return s.Sockets() >= 4 && asked.Load() >= 4 })
	if n := s.Sockets(); n > 4*(SocketsPerLookup-1) {
		t.Errorf("%d sockets for 4 lookups", n)
	}
	giveUp()
	all.Wait()
	until(t, "all sockets are closed", func() bool { return s.Sockets() == 0 })
}

func TestTheSystemsResolverAnswers(t *testing.T) {
	t.Parallel()
	s := &System{Server: server(t, func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		switch q.Question[0].Name {
		case "app.example.":
			record := fmt.Sprintf("app.example. 60 IN %s %s", dns.TypeToString[q.Question[0].Qtype],
				map[uint16]string{dns.TypeA: "192.0.2.1", dns.TypeAAAA: "2001:db8::1"}[q.Question[0].Qtype])
			rr, err := dns.NewRR(record)
			if err != nil {
				t.Error(err)
			}
			a.Answer = append(a.Answer, rr)
		default:
			a.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(a)
	})}
	p := New(s.Lookup, Limits{AtOnce: 4, Waiting: 4})
	addrs, err := p.Resolve(t.Context(), crowdOf(1), "app.example.")
	if err != nil || len(addrs) != 2 {
		t.Errorf("got %v, %v", addrs, err)
	}
	began := time.Now()
	for range 10 {
		if _, err := p.Resolve(t.Context(), crowdOf(1), "none.example."); err == nil {
			t.Error("a name that is not there was resolved")
		}
	}
	if st := p.Stats(); st.Kept != 9 && time.Since(began) < KeepAnswer {
		t.Errorf("%+v", st)
	}
	until(t, "all sockets are closed", func() bool { return s.Sockets() == 0 })
}

// until waits until ok.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for overdue := realtest.Overdue(t); !ok(); {
		select {
		case <-tick.C:
		case <-overdue:
			t.Fatalf("waiting in vain until %s", what)
		}
	}
}
