package load_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/cert"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/load"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/plaingo"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/upstream"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

// serve runs an upstream of two ports as long as the test lives.
func serve(t *testing.T) []netip.AddrPort {
	t.Helper()
	s, err := upstream.Listen(2)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var addrs []netip.AddrPort
	for _, p := range s.Ports() {
		addrs = append(addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p))
	}
	return addrs
}

// proxy runs plaingo before an upstream.
func proxy(t *testing.T, to netip.AddrPort, wrap func(net.Listener) net.Listener) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := l
	if wrap != nil {
		served = wrap(l)
	}
	done := make(chan error, 1)
	go func() { done <- plaingo.Serve(served, to.String()) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return netip.MustParseAddrPort(l.Addr().String())
}

func short(inFlight int) *load.Short {
	first := wire.Header{Mode: wire.Reply, Close: true, Answer: 64}.Append([]byte("SSH-2.0-x\r\n"))
	return &load.Short{InFlight: inFlight, First: first, Answer: 64}
}

func TestShortConnectionsAreCountedOneByOne(t *testing.T) {
	t.Parallel()
	to := serve(t)
	l := load.Load{To: proxy(t, to[1], nil), Window: 20 * time.Second, Count: 300, Expect: to[1].Port(), Short: short(8)}
	s, err := l.Run()
	if err != nil {
		t.Fatal(err)
	}
	if s.Short.Done != 300 || len(s.Short.Errors) != 0 || s.Short.Wrong != 0 {
		t.Errorf("of 300 connections %d were done, %d went wrong, errors %v", s.Short.Done, s.Short.Wrong, s.Short.Errors)
	}
	if s.Short.P50 <= 0 || s.Short.P99 < s.Short.P50 || s.Elapsed <= 0 || s.Helpers <= 0 {
		t.Errorf("it took no time: %+v", s)
	}
}

func TestAnswersOfAnotherUpstreamAreNoticed(t *testing.T) {
	t.Parallel()
	to := serve(t)
	l := load.Load{To: to[0], Window: 20 * time.Second, Count: 10, Expect: to[1].Port(), Short: short(1)}
	s, err := l.Run()
	if err != nil || s.Short.Wrong != 10 {
		t.Errorf("%d of 10 answers were noticed, error %v", s.Short.Wrong, err)
	}
}

func TestConnectionsWithoutAnAnswerFail(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	run := load.Load{To: netip.MustParseAddrPort(l.Addr().String()), Window: 20 * time.Second, Count: 10, Short: short(2)}
	s, err := run.Run()
	if err != nil || s.Short.Done != 0 || s.Short.Errors["waiting for the answer: end of stream"]+s.Short.Errors["waiting for the answer: connection reset by peer"] != 10 {
		t.Errorf("%d done, errors %v, error %v", s.Short.Done, s.Short.Errors, err)
	}
}

func TestRequestsGoOnWhileTheWindowIsOpen(t *testing.T) {
	t.Parallel()
	to := serve(t)
	l := load.Load{
		To: proxy(t, to[0], nil), Warm: 10 * time.Millisecond, Window: 2 * time.Second, Expect: to[0].Port(),
		Requests: &load.Requests{Conns: 4, Request: 64, Answer: 100, First: wire.Header{Mode: wire.Reply, Request: 64, Answer: 100}.Append(nil)},
		Bulk:     &load.Bulk{Conns: 2, Up: true, First: wire.Header{Mode: wire.Both}.Append(nil)},
	}
	s, err := l.Run()
	if err != nil {
		t.Fatal(err)
	}
	if s.Requests.Done == 0 || len(s.Requests.Errors) != 0 || s.Requests.Wrong != 0 {
		t.Errorf("%d requests, errors %v", s.Requests.Done, s.Requests.Errors)
	}
	if s.Bulk.Bytes < 1<<20 || len(s.Bulk.Errors) != 0 {
		t.Errorf("%d bytes, errors %v", s.Bulk.Bytes, s.Bulk.Errors)
	}
}

func TestHandshakesAreThoseOfTheProxy(t *testing.T) {
	t.Parallel()
	to := serve(t)
	files, err := cert.New(t.TempDir(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	secure := proxy(t, to[0], func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})
	})
	l := load.Load{To: to[0], Window: 20 * time.Second, Count: 5, Handshakes: &load.Handshakes{To: secure, InFlight: 2, Name: "example.com"}}
	s, err := l.Run()
	if err != nil || s.Handshakes.Done < 5 || len(s.Handshakes.Errors) != 0 {
		t.Fatalf("handshakes %+v, error %v", s.Handshakes, err)
	}
}

func TestIdleConnectionsAreHeldAndCanBeMadeBusy(t *testing.T) {
	t.Parallel()
	to := serve(t)
	var set load.Idle
	t.Cleanup(set.Close)
	first := append(wire.Header{Mode: wire.Reply, Request: 100, Answer: 50}.Append(nil), make([]byte, 100)...)
	for _, n := range []int{10, 300} {
		if err := set.Hold(to[0], n, first, 50); err != nil {
			t.Fatal(err)
		}
		if err := set.Busy(make([]byte, 300), 150); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoadsWithoutBoundsAreRefused(t *testing.T) {
	t.Parallel()
	loopback := netip.MustParseAddrPort("127.0.0.1:1")
	for _, l := range []load.Load{
		{To: netip.MustParseAddrPort("192.0.2.1:80"), Window: time.Second, Short: short(1)},
		{To: netip.MustParseAddrPort("[::1]:80"), Window: time.Second, Short: short(1)},
		{To: loopback, Window: time.Second},
		{To: loopback, Short: short(1)},
		{To: loopback, Window: time.Hour, Short: short(1)},
		{To: loopback, Window: time.Second, Short: short(1 << 20)},
		{To: loopback, Window: time.Second, Handshakes: &load.Handshakes{To: netip.MustParseAddrPort("192.0.2.1:443"), InFlight: 1}},
	} {
		if _, err := l.Run(); !errors.Is(err, load.ErrLoad) {
			t.Errorf("%+v gave %v", l, err)
		}
	}
	var set load.Idle
	if err := set.Hold(netip.MustParseAddrPort("192.0.2.1:80"), 1, nil, 1); !errors.Is(err, load.ErrLoad) {
		t.Errorf("holding connections elsewhere gave %v", err)
	}
}
