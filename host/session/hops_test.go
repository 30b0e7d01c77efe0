package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func tcp(text string) *net.TCPAddr {
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		panic(err)
	}
	return a
}

func TestASessionFindsTheHopItCameBy(t *testing.T) {
	t.Parallel()
	var hops Hops
	first := hops.begin(nil, "a", "127.0.0.1:2")
	first.Stood(tcp("127.0.0.1:40000"))
	unix := hops.begin(first, "b", "")
	unix.Stood(&net.UnixAddr{Net: "unix", Name: "@00001"})
	for _, c := range []struct {
		from, to net.Addr
		want     *hop
	}{
		{tcp("127.0.0.1:40000"), tcp("127.0.0.1:2"), first},
		{tcp("127.0.0.1:40001"), tcp("127.0.0.1:2"), nil},
		{tcp("127.0.0.1:40000"), tcp("127.0.0.1:3"), nil},
		{&net.UnixAddr{Net: "unix", Name: "@00001"}, &net.UnixAddr{Net: "unix", Name: "/run/a.sock"}, unix},
		{&net.UnixAddr{Net: "unix"}, &net.UnixAddr{Net: "unix", Name: "/run/a.sock"}, nil},
	} {
		if got, err := hops.find(t.Context(), endsFrom(c.from, c.to)); err != nil || got != c.want {
			t.Errorf("from %v to %v: %v, %v", c.from, c.to, got, err)
		}
	}
	if !unix.passed("a") || !unix.passed("b") || unix.passed("c") || first.passed("b") || (*hop)(nil).passed("a") {
		t.Error("where it has been")
	}
	unix.Over()
	first.Over()
	first.Over()
	if len(hops.standing)+len(hops.pending) != 0 {
		t.Errorf("%v and %v are left", hops.standing, hops.pending)
	}
}

func TestAConnectionPassesSoManyListenersAtMost(t *testing.T) {
	t.Parallel()
	var hops Hops
	var h *hop
	for i := range maxHops + 1 {
		if h.passed(fmt.Sprint(i)) {
			t.Fatalf("refused after %d", i)
		}
		h = hops.begin(h, fmt.Sprint(i), "x")
	}
	if !h.passed("another one") {
		t.Error("it goes on for ever")
	}
}

func TestWhoIsAboutToTellIsWaitedForAndNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hops Hops
		at := endsFrom(tcp("127.0.0.1:40000"), tcp("127.0.0.1:2"))
		late := hops.begin(nil, "a", at.to)
		elsewhere := hops.begin(nil, "a", "127.0.0.1:3")
		time.AfterFunc(time.Second, func() { late.Stood(tcp("127.0.0.1:40000")) })
		time.AfterFunc(time.Millisecond, func() { hops.begin(nil, "a", at.to) }) // after the question
		began := time.Now()
		if got, err := hops.find(t.Context(), at); got != late || err != nil || time.Since(began) != time.Second {
			t.Errorf("after %v: %v, %v", time.Since(began), got, err)
		}
		elsewhere.Over()
	})
	synctest.Test(t, func(t *testing.T) {
		var hops Hops
		at := endsFrom(tcp("127.0.0.1:40000"), tcp("127.0.0.1:2"))
		failing := hops.begin(nil, "a", at.to)
		time.AfterFunc(time.Second, failing.Over)
		if got, err := hops.find(t.Context(), at); got != nil || err != nil {
			t.Errorf("who came from elsewhere got %v, %v", got, err)
		}
		hops.begin(nil, "a", at.to) // and hangs
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := hops.find(ctx, at); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestManyHopsAtOnceLeaveNothing(t *testing.T) {
	t.Parallel()
	var hops Hops
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 500 {
				h := hops.begin(nil, "a", fmt.Sprint("127.0.0.1:", k%3+1))
				local := tcp(fmt.Sprintf("127.0.0.1:%d", 10000+i*1000+k))
				if k%5 != 0 {
					h.Stood(local)
					if got, err := hops.find(t.Context(), ends{h.at.from, h.to}); got != h || err != nil {
						t.Errorf("found %v, %v", got, err)
					}
				}
				h.Over()
			}
		})
	}
	all.Wait()
	if len(hops.standing)+len(hops.pending) != 0 {
		t.Errorf("%v and %v are left", hops.standing, hops.pending)
	}
}
