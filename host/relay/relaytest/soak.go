package relaytest

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Soak plays random links for d, eight at a time: pieces of random size,
// stalls, half-closes, resets, and kills, on every route. Every byte is
// accounted for: nobody receives one that was not sent, or in another place;
// what was sent before an end in order, or taken by the relay's kernel before a
// reset, is received, and the Result counts exactly that.
func Soak(t *testing.T, start Start, d time.Duration) {
	t.Helper()
	const workers = 8
	group(t, "soak", start, func(t *testing.T, start Start) {
		ways, until := routes(t), time.Now().Add(d)
		var all sync.WaitGroup
		var played [workers]int
		for w := range workers {
			all.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(w), uint64(until.UnixNano())))
				for ; time.Now().Before(until) && !t.Failed(); played[w]++ {
					way := ways[rnd.IntN(len(ways))]
					t.Run(way.name, func(t *testing.T) { newAct(t, start, way, rnd).play(t) })
				}
			})
		}
		all.Wait()
		t.Logf("links played by each worker: %v", played)
	})
}

// script is what one peer does: send n bytes, stall now and then, and end.
type script struct {
	*peer
	side   relay.Side
	tcp    bool
	id     stream
	n      int64
	size   int
	stall  time.Duration
	resets bool
	sent   int64 // what it wrote
	got    int64 // what it read
	err    error // how reading ended
}

// act is one random link.
type act struct {
	link
	peers [2]script
	kill  bool
}

func newAct(t *testing.T, start Start, way route, rnd *rand.Rand) *act {
	t.Helper()
	down, up, client, server := way.connect(t)
	a := &act{kill: rnd.IntN(10) == 0}
	for i, p := range []*peer{client, server} {
		a.peers[i] = script{
			peer: p, side: relay.Side(i + 1), tcp: []wire{way.down, way.up}[i].tcp,
			id:   stream(rnd.Uint64()),
			n:    rnd.Int64N(1 << (4 + rnd.IntN(18))),
			size: 1 + rnd.IntN(40_000),
		}
		a.peers[i].n = min(a.peers[i].n, int64(a.peers[i].size)*1000) // bounds the time
		if rnd.IntN(3) == 0 {
			a.peers[i].stall = time.Duration(rnd.IntN(3000)) * time.Microsecond
		}
	}
	if rnd.IntN(3) == 0 { // at most one resets, else nothing could be said of the bytes
		s := &a.peers[rnd.IntN(2)]
		s.resets = s.tcp
	}
	for i := range a.peers {
		s := &a.peers[i]
		head := min(s.n, rnd.Int64N(4000)) // the relay has these already
		[]*relay.Endpoint{&down, &up}[i].Head = s.id.bytes(int(head))
		s.sent = head
	}
	a.link = begin(start, down, up, relay.Options{Linger: patience})
	return a
}

// play lets both peers do what their scripts say and draws the balance.
func (a *act) play(t *testing.T) {
	var both sync.WaitGroup
	for i := range a.peers {
		both.Go(func() { a.peers[i].send(t) })
		both.Go(func() { a.peers[i].listen(&a.peers[1-i]) })
	}
	if a.kill {
		a.Kill(relay.Killed)
	}
	r := a.result(t)
	both.Wait()
	a.balance(t, r)
	a.judge(t, r)
	for i := range a.peers {
		_ = a.peers[i].Close()
	}
}

// balance accounts for every byte.
func (a *act) balance(t *testing.T, r relay.Result) {
	t.Helper()
	for i, counted := range []int64{r.Up, r.Down} {
		from, to := &a.peers[i], &a.peers[1-i]
		if errors.Is(to.err, errPattern) {
			t.Errorf("%v: %v", to.side, to.err)
		}
		if to.got > counted || counted > from.sent {
			t.Errorf("%v sent %d, the relay counted %d, %v got %d", from.side, from.sent, counted, to.side, to.got)
		}
		complete := a.complete(from, to, r)
		if complete && (to.got != from.sent || r.Cut) {
			t.Errorf("%+v: %v sent %d bytes, %v got %d, then %v", r, from.side, from.sent, to.side, to.got, to.err)
		}
	}
}

// complete reports whether to must have got all that from sent. A kill cuts short what
// a reset waits for, and who resets throws away what it has not read yet.
func (a *act) complete(from, to *script, r relay.Result) bool {
	if r.Reason == relay.Finished {
		return !to.resets
	}
	return r.Reason == relay.Reset && r.By == from.side && !a.kill
}

// judge checks the reason of the end.
func (a *act) judge(t *testing.T, r relay.Result) {
	t.Helper()
	switch {
	case a.kill && r.Reason == relay.Killed:
	case a.peers[0].resets || a.peers[1].resets:
		// A reset after both had finished is none.
		if r.Reason != relay.Reset && r.Reason != relay.Finished {
			t.Errorf("result %+v, want a reset", r)
		}
	case r.Reason != relay.Finished:
		t.Errorf("result %+v, want it finished; client read %v, upstream read %v", r, a.peers[0].err, a.peers[1].err)
	}
}

// send plays the sending side of s.
func (s *script) send(t *testing.T) {
	for s.sent < s.n {
		to := min(s.n, s.sent+int64(s.size)*10)
		n, err := s.id.send(s.peer, s.sent, to, s.size)
		s.sent += n
		if err != nil {
			return // the other one has reset, or the link was killed
		}
		time.Sleep(s.stall) // the stall is what is tested
	}
	if s.resets {
		s.reset(t)
		return
	}
	_ = s.Conn.(relay.CloseWriter).CloseWrite() // fails after a reset
}

// listen plays the receiving side of s. It pauses a hundred times at most: a
// receiver that takes little at a time closes its window, and then the kernel of
// the other side waits for its persist timer (RFC 9293, section 3.8.6.1) between
// every few segments, longer each time.
func (s *script) listen(other *script) {
	piece := max(int64(s.size)*10, other.n/100)
	for s.err == nil {
		var n int64
		n, s.err = other.id.receive(s.peer, s.got, s.got+piece)
		s.got += n
		time.Sleep(s.stall)
	}
}
