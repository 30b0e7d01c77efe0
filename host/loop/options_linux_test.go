package loop

import (
	"testing"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

func option(t *testing.T, fd int32, level, name int) int {
	t.Helper()
	n, err := unix.GetsockoptInt(int(fd), level, name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNagleIsOffBeforeItCanHoldAnythingUp(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		how   flags
		sizes []int
		want  []int // TCP_NODELAY before each is sent
	}{
		"one small":                   {nagle, []int{100}, []int{0}},
		"two small":                   {nagle, []int{100, 100, 1}, []int{0, 1, 1}},
		"one that takes two segments": {nagle, []int{nagleFree + 1}, []int{1}},
		"the same on this machine":    {nagle | near, []int{nagleFree + 1, 1}, []int{0, 1}},
		"the owner's business":        {0, []int{1, nagleFree + 1}, []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fd, errno := socket(unix.AF_INET)
			if errno != 0 {
				t.Fatal(errno)
			}
			defer closeFD(fd, false)
			e := end{fd: fd, flags: row.how}
			for i, n := range row.sizes {
				e.hurry(n)
				if got := min(option(t, fd, unix.IPPROTO_TCP, unix.TCP_NODELAY), 1); got != row.want[i] {
					t.Errorf("send %d: TCP_NODELAY is %d, want %d", i, got, row.want[i])
				}
			}
		})
	}
}

// A peer with Nagle's algorithm waits for an acknowledgement before it sends the
// second part of an answer.
func TestAnAnswerThatMayGoOnIsAcknowledgedAtOnce(t *testing.T) {
	t.Parallel()
	h := newByHand(t)
	down, _ := pair(t)
	up, server := tcpPair(t)
	s := h.add(down, taken(t, up), nil)
	end := &s.ends[1]
	end.withoutAck()
	quick := func() int { return option(t, end.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK) }
	if quick() != 0 || !end.is(hushed) {
		t.Error("the handshake would be acknowledged by a packet of its own")
	}
	if _, err := server.Write([]byte("part")); err != nil {
		t.Fatal(err)
	}
	for end.set(readable); h.slab.links[0].counts[1].Load() == 0; end.set(readable) {
		h.pump(0, s, 1)
	}
	if quick() != 1 || end.is(hushed) {
		t.Error("the answer is not acknowledged at once")
	}
	end.set(hushed | eof)
	end.answered(1)
	if end.is(hushed) {
		t.Error("an end that has finished is still looked after")
	}
	h.leave()
	<-h.done
}

func TestAnUpstreamIsKeptAliveWhenItsPairIsOld(t *testing.T) {
	t.Parallel()
	h := newByHand(t)
	down, _ := pair(t)
	up, _ := tcpPair(t)
	if err := up.SetKeepAlive(false); err != nil { // package net has set it
		t.Fatal(err)
	}
	s := h.add(down, taken(t, up), nil)
	s.tuneAt = keepAliveAfter
	h.rearm(0, s)
	for _, row := range []struct {
		now  int64
		want int
	}{{keepAliveAfter - 2*tick, 0}, {keepAliveAfter + 2*tick, 1}} {
		h.now = row.now
		h.expire()
		if got := option(t, s.ends[1].fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE); got != row.want {
			t.Errorf("SO_KEEPALIVE is %d, want %d", got, row.want)
		}
	}
	if got := option(t, s.ends[1].fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE); got != keepAliveIdle {
		t.Errorf("asked after %d s, want %d", got, keepAliveIdle)
	}
	if s.timer.level != none || s.tuneAt != 0 {
		t.Error("a timer is set for nothing")
	}
	h.leave()
	if r := <-h.done; r.Reason != relay.Drained {
		t.Errorf("result %+v", r)
	}
}

// Where nobody listens, the kernel may give a socket the port that it connects to,
// and it is connected with itself.
func TestASocketThatIsItsOwnPeerIsNoUpstream(t *testing.T) {
	t.Parallel()
	h := newByHand(t)
	h.low, h.high = 1, 65535
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(int32(fd), false)
	name, err := unix.Getsockname(fd)
	if err == nil {
		err = unix.Connect(fd, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	if errno := sockName(int32(fd), &h.peer); errno != 0 {
		t.Fatal(errno)
	}
	at := h.peer.addrPort()
	s := &slot{to: pointOf(at.Addr(), at.Port())}
	s.ends[1] = end{fd: int32(fd), flags: tcp}
	if !h.toItself(s) {
		t.Error("it is taken for another one")
	}
	s.to.port++
	if h.toItself(s) {
		t.Error("another address is taken for its own")
	}
	h.high = s.to.port - 1
	if s.to.port--; s.to.port > 1 {
		h.low, h.high = 1, s.to.port-1
		if h.toItself(s) {
			t.Error("a port that the kernel does not connect from was looked at")
		}
	}
}

func TestTwoDescriptorsSideBySideAreBothClosed(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		fds := make([]int32, 2)
		down, up := pair(t) // the lowest two that are free: side by side as a rule
		fds[0], fds[1] = int32(down), int32(up)
		closeBoth(fds[order[0]], fds[order[1]], false, false)
		for _, fd := range fds {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
				t.Errorf("descriptor %d is open: %v", fd, err)
			}
		}
	}
}

func TestAGuessLearns(t *testing.T) {
	t.Parallel()
	g := guess{sure: 2}
	for range 3 {
		g.learn(false)
	}
	tried := 0
	for range 10 * guessAgain {
		if g.yes() {
			tried++
		}
	}
	if tried != 10 {
		t.Errorf("tried %d of %d times although it did not pay", tried, 10*guessAgain)
	}
	g.learn(true)
	g.learn(true)
	if !g.yes() {
		t.Error("not tried although it paid twice")
	}
}
