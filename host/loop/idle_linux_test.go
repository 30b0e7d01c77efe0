package loop

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// lent is how many pipes of the loop pairs have.
func (h byHand) lent() int { return int(h.pipes.budget.open.Load()) - len(h.pipes.idle) }

// drain receives all that has come.
func drain(t *testing.T, fd int) (n int) {
	t.Helper()
	b := make([]byte, 1<<20)
	for {
		k, err := unix.Read(fd, b)
		if errors.Is(err, unix.EAGAIN) {
			return n
		}
		if err != nil || k == 0 {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		n += k
	}
}

// A pair that has moved much and is silent now leaves its pipe to others: after much at
// once, after little that made the pair an ordinary one again, and where the receiver was
// full for a time.
func TestAnIdlePairKeepsNoPipe(t *testing.T) {
	t.Parallel()
	big, little := make([]byte, 4*keepSize), make([]byte, 100)
	for name, c := range map[string]struct {
		before func(h byHand, s *slot, client, server int) // brings the pair to where it is bulk
		bulk   bool
	}{
		"after much": {func(h byHand, s *slot, client, server int) {
			for range 4 {
				put(t, client, big)
				h.turn(0, s)
				s.ends[0].set(readable)
				drain(t, server)
			}
		}, true},
		"after much and then little": {func(h byHand, s *slot, client, server int) {
			for i := range 4 + 2*smallAfter {
				put(t, client, [][]byte{big, little}[min(i/4, 1)])
				s.ends[0].set(readable)
				h.turn(0, s)
				drain(t, server)
			}
		}, false},
		"after the receiver was full": {func(h byHand, s *slot, client, server int) {
			for s.ends[1].is(writable) {
				put(t, client, big)
				s.ends[0].set(readable)
				h.turn(0, s)
			}
			for s.ends[0].pending() {
				drain(t, server)
				s.ends[1].set(writable)
				h.turn(0, s)
			}
			drain(t, server)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newByHand(t)
			down, client := pair(t)
			up, server := pair(t)
			s := h.add(down, up, nil)
			s.ends[0].set(bulk | readable)
			c.before(h, s, client, server)
			s.ends[0].set(readable)
			h.turn(0, s) // nothing has come
			if s.ends[0].is(bulk) != c.bulk {
				t.Errorf("the pair is bulk: %v", !c.bulk)
			}
			if h.pipes.budget.open.Load() == 0 {
				t.Error("no pipe was used")
			}
			if n := h.lent(); n != 0 {
				t.Errorf("the idle pair has %d pipes", n)
			}
			h.leave()
			<-h.done
		})
	}
}

// put sends all of b.
func put(t *testing.T, fd int, b []byte) {
	t.Helper()
	if n, err := unix.Write(fd, b); n != len(b) && !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("sent %d of %d bytes: %v", n, len(b), err)
	}
}

// registered reports whether the epoll of the loop has a descriptor.
func (r *loop) registered(t *testing.T, fd int) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", r.epoll))
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" && f[1] == fmt.Sprint(fd) {
			return true
		}
	}
	return false
}

// The loop hears nothing more of a client that was detached: its epoll does not have the
// socket. Otherwise each byte of the client would wake the loop for nothing, for as long
// as a handler has the connection.
func TestTheEpollForgetsADetachedClient(t *testing.T) {
	t.Parallel()
	type found struct {
		fd            int
		before, after bool
	}
	for name, begin := range map[string]func(*probe){
		"that waited": forBytes,
		"at once":     func(p *probe) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := make(chan found, 1)
			detach := func(p *probe) {
				r, _, s := p.at()
				f := found{before: r.registered(t, int(s.ends[0].fd))}
				fd, err := p.Detach()
				if err != nil {
					t.Error(err)
				}
				f.fd, f.after = fd, r.registered(t, fd)
				told <- f
			}
			like := script{start: func(p *probe) { begin(p); detach(p) }, ready: detach}
			waits := name == "that waited"
			if waits {
				like.start = begin
			}
			_, c := probed(t, like)
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			f := <-told
			defer unix.Close(f.fd)
			if f.before != waits || f.after {
				t.Errorf("registered before %v, after %v", f.before, f.after)
			}
		})
	}
}

// A kill may come at any moment while a loop takes a client in: before the client has a
// slot, while its session begins, or when it waits. The session is told of it once.
func TestAKillWhileAClientIsTakenInIsTold(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]int{"before the loop has it": 0, "while it begins": 1, "at once afterwards": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newByHand(t)
			p := &probe{events: make(chan event, 16)}
			kill := func(now int) {
				if when == now {
					p.Link().Kill(relay.Unhealthy)
				}
			}
			p.script = script{
				start:  func(p *probe) { kill(1); forBytes(p) },
				killed: func(p *probe) { p.Close(true) },
			}
			near, _ := tcpPair(t)
			p.Init(p)
			kill(0)
			h.start(&intake{Listener: new(Listener)}, &p.Client, int32(taken(t, near)))
			kill(2)
			h.obey()
			h.leave() // which would kill it, for another reason
			close(p.events)
			var told []string
			for e := range p.events {
				told = append(told, e.name)
				if e.name == "killed" && e.reason != relay.Unhealthy {
					t.Errorf("killed for %v", e.reason)
				}
			}
			if !slices.Equal(told, []string{"start", "killed"}) {
				t.Errorf("the session was told of %v", told)
			}
		})
	}
}
