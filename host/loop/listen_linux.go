package loop

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

const (
	// mostBurst is how many clients of a listener are accepted in a round at most.
	// Matching and connecting so many takes half a millisecond.
	mostBurst = 16
	// leastPause is the shortest pause after an error, so that a loop does not spin.
	leastPause = int64(5 * time.Millisecond)
	// mostQueued ends Leave where clients come faster than they are accepted. No
	// backlog is longer.
	mostQueued = 1 << 16
	// guessAgain is how seldom a client is received from right after accept while that
	// finds nothing: one in so many.
	guessAgain = 32
)

// Listener is a listening socket whose clients the loops accept.
type Listener struct {
	fd       int32
	tcp      bool
	acceptor Acceptor
	loops    *Loops
	holders  atomic.Int32 // loops that accept from the listener
	once     sync.Once    // of Leave
	left     chan struct{}
}

// Listen has every loop accept the clients of a listening stream socket, TCP
// or Unix. The descriptor must not block and must be registered with no other
// poller, Go's for one; it stays the caller's, who closes it after Leave. Options
// that clients inherit (TCP_NODELAY, keepalive) are the caller's to set there.
func (rs *Loops) Listen(fd int, a Acceptor) (*Listener, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", os.NewSyscallError("getsockopt", err))
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err == nil && listening == 0 || blocking(int32(fd)) {
		err = unix.EINVAL
	}
	if err != nil {
		return nil, fmt.Errorf("listening: not a listening socket that does not block: %w", err)
	}
	l := &Listener{
		fd: int32(fd), tcp: domain != unix.AF_UNIX, acceptor: a,
		loops: rs, left: make(chan struct{}),
	}
	l.holders.Store(int32(len(rs.all)))
	for _, r := range rs.all {
		if !r.queue.push(command{listen: l}) {
			return nil, fmt.Errorf("listening: %w", net.ErrClosed) // the loops that took l end, too
		}
	}
	return l, nil
}

// Leave ends accepting. The clients that the kernel has queued are still accepted,
// unless that fails (EMFILE). Then the channel is closed: nothing uses the descriptor
// from then on, and Acceptor is not called again. Leave may be called again, also after
// Loops.Close.
func (l *Listener) Leave() <-chan struct{} {
	l.once.Do(func() {
		for _, r := range l.loops.all {
			r.queue.push(command{listen: l, leave: true})
		}
	})
	return l.left
}

// intake is the state of a listener in one loop.
type intake struct {
	*Listener
	place    int32  // key.place of the listener
	called   bool   // an event reported clients
	leaving  bool   // this loop empties the queue, alone
	taken    int    // clients accepted while leaving
	resumeAt int64  // end of the pause after an error; 0: no pause
	burst    int    // how many clients are accepted in the next round
	calledAt uint64 // the round that accepted a whole burst last; 0: the last one ended early
	guess    guess
}

// guess predicts whether the first bytes of a client are there when it is
// accepted: then they are received at once, without asking the epoll.
type guess struct {
	sure  int8 // 0 to 3; from 2 on the first bytes are taken to be there
	tries uint8
}

// yes reports whether to receive right after accept.
func (g *guess) yes() bool {
	g.tries++
	return g.sure >= 2 || g.tries%guessAgain == 0
}

// learn is told whether there were bytes.
func (g *guess) learn(there bool) {
	if there {
		g.sure = min(g.sure+1, 3)
	} else {
		g.sure = max(g.sure-1, 0)
	}
}

// firstIntake is the place in the key of the first listener; further ones count down.
const firstIntake = wakePlace - 1

// listen begins to accept from l.
func (r *loop) listen(l *Listener) {
	n := 0
	for n < len(r.intakes) && r.intakes[n] != nil {
		n++
	}
	if n == len(r.intakes) {
		r.intakes = append(r.intakes, nil)
	}
	in := &intake{Listener: l, place: int32(firstIntake - n), burst: 1, guess: guess{sure: 2}}
	r.intakes[n] = in
	r.attach(in)
}

// attach registers the listener with the epoll, level-triggered: a loop that does not
// accept all clients is told again, and need not ask for the end of the queue. One
// waiting loop is woken for a client, not all of them.
func (r *loop) attach(in *intake) {
	errno := control(r.epoll, unix.EPOLL_CTL_ADD, in.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, key{place: in.place})
	if errno != 0 && errno != unix.EEXIST {
		r.pause(in, os.NewSyscallError("epoll_ctl", errno))
	}
}

// detach ends the events of the listener. Events that were taken before find nothing to
// accept.
func (r *loop) detach(in *intake) {
	_ = control(r.epoll, unix.EPOLL_CTL_DEL, in.fd, 0, key{})
}

// call notes that a listener has clients.
func (r *loop) call(k key) {
	n := int(firstIntake - k.place)
	if n < 0 || n >= len(r.intakes) {
		return
	}
	if in := r.intakes[n]; in != nil && !in.called && in.resumeAt == 0 {
		in.called = true
		r.calls++
	}
}

// admit accepts the clients of the listeners that have some.
func (r *loop) admit() {
	r.rounds++
	if r.calls == 0 {
		return
	}
	r.calls = 0
	for _, in := range r.intakes {
		if in != nil && in.called {
			in.called = false
			r.acceptFrom(in)
		}
	}
}

// acceptFrom accepts a burst, as many clients as there were lately. If clients are left,
// the next round accepts one more than this one.
func (r *loop) acceptFrom(in *intake) {
	if in.calledAt+1 == r.rounds && in.burst < mostBurst {
		in.burst++
	}
	in.calledAt = 0
	for n := range in.burst {
		if errno := r.accept(in); errno != 0 {
			in.burst = max(n, 1)
			r.acceptFailed(in, errno)
			return
		}
	}
	in.calledAt = r.rounds
	if in.leaving {
		if in.taken += in.burst; in.taken >= mostQueued {
			r.dismiss(in)
			return
		}
		r.call(key{place: in.place})
	}
}

// acceptFailed looks at what ended a burst.
func (r *loop) acceptFailed(in *intake, errno unix.Errno) {
	switch {
	case errno == unix.EAGAIN && in.leaving:
		r.dismiss(in)
	case errno == unix.EAGAIN:
	case in.leaving: // no pause: descriptors may become free only after the end of this listener
		r.askPause(in, os.NewSyscallError("accept4", errno))
		r.dismiss(in)
	default:
		r.pause(in, os.NewSyscallError("accept4", errno))
	}
}

// accept accepts one client and starts it. Errors of a client that went away while
// queued are no error.
func (r *loop) accept(in *intake) unix.Errno {
	fd, errno := accept(in.fd, &r.peer)
	switch errno {
	case 0:
	case unix.ECONNABORTED, unix.EPROTO, unix.ENETDOWN, unix.ENOPROTOOPT, unix.EHOSTDOWN,
		unix.ENONET, unix.EHOSTUNREACH, unix.ENETUNREACH:
		return 0
	default:
		return errno
	}
	r.accepted.Add(1)
	p := Peer{FD: fd}
	if in.tcp {
		p.Addr = r.peer.addrPort()
	}
	c := r.offer(in, p)
	if c == nil {
		closeFD(fd, false)
		return 0
	}
	r.start(in, c, fd)
	return 0
}

// offer asks the acceptor for the Client of p.
func (r *loop) offer(in *intake, p Peer) (c *Client) {
	defer func() {
		if v := recover(); v != nil {
			c = nil
			r.pause(in, fmt.Errorf("accepting: %w: %v", relay.ErrPanic, v))
		}
	}()
	return in.acceptor.Accepted(p)
}

// pause accepts nothing from a listener for as long as its acceptor decides.
func (r *loop) pause(in *intake, err error) {
	d := r.askPause(in, err)
	r.detach(in)
	in.resumeAt = after(r.now, max(int64(d), leastPause))
	if r.resumeAt == 0 || in.resumeAt < r.resumeAt {
		r.resumeAt = in.resumeAt
	}
}

// askPause asks the acceptor how long to pause after err.
func (r *loop) askPause(in *intake, err error) (d time.Duration) {
	defer func() {
		if recover() != nil {
			d = time.Second
		}
	}()
	return in.acceptor.Failed(err)
}

// resume goes on with the listeners whose pauses are over.
func (r *loop) resume() {
	if r.resumeAt == 0 || r.now < r.resumeAt {
		return
	}
	r.resumeAt = 0
	for _, in := range r.intakes {
		switch {
		case in == nil || in.resumeAt == 0:
		case in.resumeAt > r.now:
			if r.resumeAt == 0 || in.resumeAt < r.resumeAt {
				r.resumeAt = in.resumeAt
			}
		default:
			in.resumeAt = 0
			r.takeUp(in)
		}
	}
}

// takeUp goes on with a listener after its pause.
func (r *loop) takeUp(in *intake) {
	if in.leaving {
		r.call(key{place: in.place})
	} else {
		r.attach(in)
	}
}

// quit leaves l. The last loop to leave a listener empties the queue first.
func (r *loop) quit(l *Listener) {
	for _, in := range r.intakes {
		if in == nil || in.Listener != l {
			continue
		}
		r.detach(in)
		if l.holders.Add(-1) > 0 {
			r.intakes[firstIntake-in.place] = nil
			return
		}
		in.leaving = true
		r.call(key{place: in.place})
	}
}

// dismiss ends an intake.
func (r *loop) dismiss(in *intake) {
	r.intakes[firstIntake-in.place] = nil
	if in.leaving || in.holders.Add(-1) == 0 {
		close(in.left)
	}
}
