//go:build !race

// The race detector keeps books of everything, so that memory is measured without it.

package reactor

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// A pair whose peers are silent costs its slot and its handle: no goroutine,
// no buffer; and the same after it was busy.
func TestASilentPairHoldsLittle(t *testing.T) {
	const links, most = 2000, 1000
	rs := newReactors(t, 1)
	var far [links][2]int
	var near [links][2]relay.Endpoint
	for i := range far {
		near[i][0].FD, far[i][0] = pair(t)
		near[i][1].FD, far[i][1] = pair(t)
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	var held [links]*relay.Link
	for i := range near {
		held[i] = rs.Start(near[i][0], near[i][1], relay.Options{Idle: time.Hour})
	}
	ping := bytes.Repeat([]byte("x"), 64)
	for _, when := range []string{"fresh", "after all were busy"} {
		awaitLinks(t, rs, links)
		if more := runtime.NumGoroutine() - goroutines; more > 0 {
			t.Errorf("%s: %d goroutines more", when, more)
		}
		each := (int64(heap()) - int64(before)) / links
		t.Logf("%s: %d bytes a link", when, each)
		if each > most {
			t.Errorf("%s: %d bytes a link, want at most %d", when, each, most)
		}
		for i := range far {
			if _, err := unix.Write(far[i][0], ping); err != nil {
				t.Fatal(err)
			}
		}
		for i := range held {
			for up, _ := held[i].Counts(); up == 0; up, _ = held[i].Counts() {
				runtime.Gosched()
			}
		}
	}
	for i := range far {
		_, _ = unix.Close(far[i][0]), unix.Close(far[i][1])
	}
	awaitLinks(t, rs, 0)
	runtime.KeepAlive(&held)
	runtime.KeepAlive(&near)
}

// heap returns the bytes of live objects and of stacks.
func heap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
