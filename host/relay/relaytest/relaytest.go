// Package relaytest is the suite that every implementation of the relay must
// pass. It sees an implementation as a function with the signature of
// relay.Start and looks at it from outside only: two peers on real sockets,
// what each of them receives, the Result, and, at the end, whether descriptors
// or goroutines were left.
//
//	func TestRelay(t *testing.T) { relaytest.Run(t, relay.Start) }
//
// Every stream carries a pattern in which each byte depends on its position
// and on the stream, so that a byte that is lost, doubled, moved, or taken
// from another stream is seen where it happens.
package relaytest

import (
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Start is an implementation, with the contract of relay.Start.
type Start func(down, up relay.Endpoint, o relay.Options) *relay.Link

// patience bounds everything that is waited for. It is no measure of speed:
// reaching it is a failure.
const patience = 60 * time.Second

// Run runs the whole suite except Soak. It must not run beside other tests,
// because it counts the descriptors and goroutines of the process: do not call
// t.Parallel before it.
func Run(t *testing.T, start Start) {
	t.Helper()
	group(t, "endings", start, endings)
	group(t, "urgent data", start, urgent)
	group(t, "flush before reset", start, flushes)
	group(t, "heads", start, heads)
	group(t, "limits", start, limits)
	group(t, "kills", start, kills)
	group(t, "slow reader", start, slowReaders)
	group(t, "reuse of descriptors", start, reuse)
}

// Wrapping returns start with another connection around that of each client, which wrap
// makes.
func Wrapping(t *testing.T, start Start, wrap func(net.Conn) net.Conn) Start {
	t.Helper()
	return func(down, up relay.Endpoint, o relay.Options) *relay.Link {
		if down.Conn == nil {
			c, err := relay.NewConn(down.FD, nil, nil)
			if err != nil {
				t.Error(err)
				return start(down, up, o)
			}
			down.Conn = c
		}
		down.Conn = wrap(down.Conn)
		return start(down, up, o)
	}
}

// group runs f, whose subtests may be parallel, and then looks for leaks.
func group(t *testing.T, name string, start Start, f func(*testing.T, Start)) {
	t.Helper()
	before := holding()
	if !t.Run(name, func(t *testing.T) { f(t, start) }) {
		return // what a failed test leaves is no news
	}
	deadline := time.Now().Add(patience)
	for after := holding(); after.more(before); after = holding() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: left behind: %+v before, %+v after\n%s", name, before, after, stacks())
		}
		time.Sleep(10 * time.Millisecond) // nothing announces a closed descriptor
	}
}

// holdings is what the process holds.
type holdings struct{ descriptors, goroutines int }

func (h holdings) more(than holdings) bool {
	return h.descriptors > than.descriptors || h.goroutines > than.goroutines
}

// holding counts. Without /proc the descriptors stay uncounted.
func holding() holdings {
	h := holdings{goroutines: runtime.NumGoroutine()}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		h.descriptors = len(list)
	}
	return h
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}
