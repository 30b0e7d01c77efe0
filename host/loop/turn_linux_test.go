package loop

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// byHand is a loop without a goroutine: a test decides what it notices when.
type byHand struct {
	*loop
	done chan relay.Result
}

func newByHand(t *testing.T) byHand {
	t.Helper()
	rs := &Loops{pipes: newBudget()}
	rs.keeps.Store(mostKept)
	r, err := newLoop(rs)
	if err != nil {
		t.Fatal(err)
	}
	return byHand{r, make(chan relay.Result, 2)}
}

// add begins a pair and returns its slot.
func (h byHand) add(down, up int, heads *[2][]byte) *slot {
	l := &link{slot: none, done: func(r relay.Result) { h.done <- r }}
	l.loop.Store(h.loop)
	if heads != nil {
		l.heads = heads
	}
	h.begin(l, &beginning{fds: [2]int32{int32(down), int32(up)}})
	return h.slab.at(l.slot)
}

// taken is the descriptor of c, which is closed.
func taken(t *testing.T, c net.Conn) int {
	t.Helper()
	e := relay.Endpoint{Conn: c}
	if !take(&e) {
		t.Fatal("taking the descriptor of a connection")
	}
	return e.FD
}

func TestAPanicCostsOnePair(t *testing.T) {
	t.Parallel()
	h := newByHand(t)
	for range 2 {
		down, _ := pair(t)
		up, _ := pair(t)
		h.add(down, up, &[2][]byte{[]byte("head"), nil})
	}
	broken := &h.slab.at(0).ends[0]
	broken.clear(headed)
	h.keeps.reserve()
	broken.keep, broken.from = h.keeps.keep([]byte("kept")), 5 // behind its end
	h.work()
	if got := <-h.done; !errors.Is(got.Err, relay.ErrPanic) || got.Reason != relay.Broken {
		t.Errorf("result %+v, want a panic", got)
	}
	if up, _ := h.slab.links[1].Counts(); up != 4 {
		t.Errorf("the other pair has moved %d bytes, want its head", up)
	}
	h.leave()
	if got := <-h.done; got.Reason != relay.Drained {
		t.Errorf("result %+v, want drained", got)
	}
}

// The kernel reports a reset once, here to splice. Whoever receives then is
// told of an end in order.
func TestAResetThatOnlySpliceSawIsAReset(t *testing.T) {
	t.Parallel()
	h := newByHand(t)
	near, client := tcpPair(t)
	up, _ := pair(t)
	s := h.add(taken(t, near), up, nil)
	_ = client.SetLinger(0)
	_ = client.Close()
	s.ends[0].set(bulk | readable)
	h.turn(0, s)
	h.leave()
	if got := <-h.done; got.Reason != relay.Reset || got.By != relay.Down || got.DownFinished {
		t.Errorf("result %+v, want a reset by the client", got)
	}
}

// An urgent byte that comes while a pair is spliced, before its event: splice
// says EAGAIN, and after the end 0, with bytes behind the mark.
func TestSpliceIsNotBelievedAtAnUrgentByte(t *testing.T) {
	t.Parallel()
	for name, finishes := range map[string]bool{"EAGAIN": false, "end": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newByHand(t)
			near, client := tcpPair(t)
			up, server := pair(t)
			s := h.add(taken(t, near), up, nil)
			fd := taken(t, client)
			for _, part := range []struct {
				text string
				how  int
			}{{"before", 0}, {"!", unix.MSG_OOB}, {"after", 0}} {
				if err := unix.Sendto(fd, []byte(part.text), part.how, nil); err != nil {
					t.Fatal(err)
				}
			}
			if finishes {
				if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
					t.Fatal(err)
				}
			}
			s.ends[0].set(bulk | readable)
			h.pump(0, s, 0)
			if finishes { // which is news behind a short receive
				h.mark(h.events[:h.await()])
				h.pump(0, s, 0)
			}
			b := make([]byte, 32)
			n, err := unix.Read(server, b)
			if n < 0 || string(b[:n]) != "beforeafter" {
				t.Errorf("received %q (%v), want all but the urgent byte", b[:max(n, 0)], err)
			}
			if s.ends[0].is(orderly) != finishes {
				t.Errorf("ended: %t, want %t", s.ends[0].is(orderly), finishes)
			}
			_ = unix.Close(fd)
			h.leave()
			<-h.done
		})
	}
}

func TestAResetIsSeenWhileTheOtherEndTakesNothing(t *testing.T) {
	t.Parallel()
	h := newByHand(t)
	near, client := tcpPair(t)
	up, _ := pair(t)
	s := h.add(taken(t, near), up, nil)
	if _, err := client.Write([]byte("nobody takes this")); err != nil {
		t.Fatal(err)
	}
	for h.await() == 0 { // what came first is past
		continue
	}
	s.ends[0].set(readable)
	s.ends[1].clear(writable)
	_ = client.SetLinger(0)
	_ = client.Close()
	n := h.await()
	h.mark(h.events[:n])
	s.ends[1].clear(writable)
	h.turn(0, s)
	if !s.ends[0].is(gone) || s.policy.LingerAt == 0 {
		t.Errorf("client gone %t, waiting until %d: want the reset seen, and Linger begun", s.ends[0].is(gone), s.policy.LingerAt)
	}
	h.leave()
	if got := <-h.done; got.Reason != relay.Reset || got.By != relay.Down || !got.Cut {
		t.Errorf("result %+v, want a reset by the client, and the upstream cut", got)
	}
}

func TestAResetAfterTheEndOfAStreamIsPassedOn(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	down, client := tcpPair(t)
	up, server := tcpPair(t)
	done := make(chan relay.Result, 1)
	rs.Start(relay.Endpoint{Conn: down}, relay.Endpoint{Conn: up}, relay.Options{Done: func(r relay.Result) { done <- r }})
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("the end was passed on as %v", err)
	}
	_ = client.SetLinger(0)
	_ = client.Close()
	if r := <-done; r.Reason != relay.Reset || r.By != relay.Down || !r.DownFinished {
		t.Errorf("result %+v, want a reset by the client after it had finished", r)
	}
}

// What is in a buffer of ours, and nowhere else, is missing as well.
func TestAKillThatDropsWhatWasKeptIsACut(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	rs.pipes.left.Store(0) // else it may wait in a pipe
	l, client, _, done := linked(t, rs, relay.Options{})
	for sent := int64(1 << 10); ; sent += 1 << 10 {
		if _, err := client.Write(make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
		if kept(rs, l, sent) {
			break
		}
	}
	l.Kill(relay.Drained)
	if r := <-done; !r.Cut {
		t.Errorf("result %+v, want the upstream cut", r)
	}
}

// kept waits until sent bytes went up, or until some of them stay with the loop: a
// reservation, which is for a moment, counts in the same place.
func kept(rs *Loops, l *relay.Link, sent int64) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for still := 0; still < 100; {
		if up, _ := l.Counts(); up >= sent {
			return false
		}
		<-tick.C
		if still++; rs.Stats().Kept == 0 {
			still = 0
		}
	}
	return true
}
