package session

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// headed is a session whose head is received by hand, with the bytes that are charged.
func headed(t *testing.T, maxHead int, room int64) (*served, *head, *Heads) {
	t.Helper()
	x, heads := new(served), new(Heads)
	x.room = new(atomic.Int64)
	x.room.Store(room)
	x.Init(&Env{Heads: heads}, x, &Begin{ID: 1, Flow: sdk.Flow{MaxHead: maxHead}})
	return x, &x.setup.head, heads
}

func TestAHeadGrowsUntilItIsFull(t *testing.T) {
	t.Parallel()
	x, h, heads := headed(t, 5000, 1<<20)
	s := &x.Session
	fill := func(want, take int) {
		t.Helper()
		b, err := h.room(s, len(h.flow.Head)+1)
		if err != nil || len(b) != want {
			t.Fatalf("with %d bytes there is room for %d, %v; want %d", len(h.flow.Head), len(b), err, want)
		}
		for i := range take {
			b[i] = byte(len(h.flow.Head) + i)
		}
		if err := h.received(take, nil); err != nil {
			t.Fatal(err)
		}
	}
	fill(2048, 2047)
	fill(1, 1)
	if heads.Used() != 2048 {
		t.Errorf("%d bytes are lent", heads.Used())
	}
	fill(2048, 2048)
	if _, err := h.room(s, 5001); !errors.Is(err, host.ErrFull) {
		t.Errorf("room for more than a head may have: %v", err)
	}
	fill(904, 904) // of a buffer of 8192
	if _, err := h.room(s, 1); !errors.Is(err, host.ErrFull) {
		t.Errorf("room in a full head: %v", err)
	}
	for i, b := range h.flow.Head {
		if b != byte(i) {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	if heads.Used() != 8192 || x.held.Load() != 8192 {
		t.Errorf("%d bytes are lent, %d charged", heads.Used(), x.held.Load())
	}
	h.discard(s, 4999)
	if len(h.flow.Head) != 1 || h.flow.Head[0] != byte(4999%256) || heads.Used() == 0 {
		t.Errorf("after discarding all but one byte the head is %v", h.flow.Head)
	}
	fill(8192-5000, 10) // behind what was discarded
	if h.flow.Head[0] != byte(4999%256) || len(h.flow.Head) != 11 {
		t.Errorf("the head is %v", h.flow.Head)
	}
	h.idle(s)
	if len(h.flow.Head) != 11 {
		t.Error("a head with bytes was given back")
	}
	h.discard(s, 11)
	if heads.Used() != 0 || x.held.Load() != 0 || h.off != 0 {
		t.Errorf("an empty head has %d bytes lent, %d charged", heads.Used(), x.held.Load())
	}
}

func TestAHeadRemembersHowItsStreamEnded(t *testing.T) {
	t.Parallel()
	x, h, _ := headed(t, 100, 1<<20)
	s := &x.Session
	for _, step := range []struct {
		n         int
		err, want error // of received
		room      error // afterwards
		heard     bool
	}{
		{0, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, nil, false},
		{0, nil, nil, nil, false},
		{1, os.ErrDeadlineExceeded, nil, nil, true},
		{1, io.EOF, nil, io.EOF, true},
		{0, io.ErrClosedPipe, io.ErrClosedPipe, io.ErrClosedPipe, true},
	} {
		if h.end == nil {
			if _, err := h.room(s, 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.received(step.n, step.err); err != step.want || h.heard != step.heard {
			t.Errorf("%d bytes and %v: %v, heard %v", step.n, step.err, err, h.heard)
		}
		if _, err := h.room(s, 1); err != step.room {
			t.Errorf("after %d bytes and %v there is room: %v", step.n, step.err, err)
		}
	}
	if len(h.flow.Head) != 2 {
		t.Errorf("the head is %q", h.flow.Head)
	}
}

func TestAHeadWithoutMemoryKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	x, h, heads := headed(t, 64<<20, 2048)
	s := &x.Session
	b, err := h.room(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	_ = h.received(len(b), nil)
	if _, err := h.room(s, 5000); !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("more than there is: %v", err)
	}
	if len(h.flow.Head) != 2048 || heads.Used() != 2048 || x.held.Load() != 2048 {
		t.Errorf("the head has %d bytes, %d are lent, %d charged", len(h.flow.Head), heads.Used(), x.held.Load())
	}
	x.room.Store(1 << 40)
	if b := s.borrow(32 << 20); b != nil || x.held.Load() != 2048 {
		t.Errorf("more than any head: %d bytes, %d charged", cap(b), x.held.Load())
	}
	h.release(s)
	h.release(s)
	if x.held.Load() != 0 {
		t.Errorf("%d are charged", x.held.Load())
	}
}

func TestBuffersAreOfTheirClassAndUsedAgain(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{
		0: 2 << 10, 1: 2 << 10, 2 << 10: 2 << 10, 2<<10 + 1: 4 << 10, 4 << 10: 4 << 10, 16 << 20: 16 << 20, 16<<20 + 1: 0,
	} {
		h := new(Heads)
		if b := h.Get(size); cap(b) != want || len(b) != 0 || h.Used() != int64(want) {
			t.Errorf("for %d bytes: %d of %d, %d are lent", size, len(b), cap(b), h.Used())
		}
	}
	for _, size := range []int{100, 5000} {
		h, again := new(Heads), false
		for range 100 { // the pool may forget
			b := h.Get(size)
			was := &b[:1][0]
			h.Put(b)
			b = h.Get(size)
			again = again || &b[:1][0] == was
			h.Put(b)
		}
		if !again || h.Used() != 0 {
			t.Errorf("buffers for %d bytes are not used again, or %d bytes are lent", size, h.Used())
		}
	}
	h := new(Heads)
	for _, n := range []int{1 << 10, 3 << 10, 32 << 20} { // nobody was lent these
		h.Put(make([]byte, n))
	}
	if h.Used() != 0 {
		t.Errorf("%d bytes are lent", h.Used())
	}
}

func TestAGoroutineThatClosesClosesBothSockets(t *testing.T) {
	t.Parallel()
	for _, reset := range []bool{false, true} {
		client, sock := sockets(t)
		server, up := sockets(t)
		x := new(served)
		x.Init(&Env{Heads: new(Heads)}, x, &Begin{ID: 1})
		g := x.goroutine(sock, nil)
		g.up = up
		if up, down := g.Counts(); up != 0 || down != 0 || x.hold.Load() != &g.link {
			t.Error("bytes are counted, or a kill does not reach it")
		}
		g.close(reset)
		for name, c := range map[string]net.Conn{"client's": sock, "upstream's": up} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the %s socket: %v", name, err)
			}
		}
		if _, err := client.Read(make([]byte, 1)); (err == io.EOF) == reset {
			t.Errorf("reset %v: the client reads %v", reset, err)
		}
		if _, err := server.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the upstream reads %v", err)
		}
		g.Kill(0)
		if g.ctx.Err() == nil {
			t.Error("a kill does not end what is waited for")
		}
	}
}

// A connection has one end for each kind of address, and none where they do not fit.
func TestTheEndsOfAConnectionAreOfOneKind(t *testing.T) {
	t.Parallel()
	unix := &net.UnixAddr{Net: "unix", Name: "a"}
	for _, c := range []struct {
		from, to net.Addr
		want     ends
	}{
		{tcp("[::ffff:192.0.2.1]:5"), tcp("[::ffff:192.0.2.2]:80"), ends{"5", "192.0.2.2:80"}},
		{unix, unix, ends{"a", ""}},
		{tcp("192.0.2.1:5"), unix, ends{}},
		{nil, tcp("192.0.2.1:5"), ends{}},
	} {
		if got := endsFrom(c.from, c.to); got != c.want {
			t.Errorf("from %v to %v: %+v", c.from, c.to, got)
		}
	}
	var hops Hops
	h := hops.begin(nil, "a", "")
	h.Stood(&net.UnixAddr{Net: "unix"}) // without a name nobody can be found
	if len(hops.standing) != 0 || len(hops.pending) != 0 {
		t.Errorf("%v stand, %v are pending", hops.standing, hops.pending)
	}
	h.Over()
}
