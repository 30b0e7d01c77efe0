package loop

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// Loops relay plain sockets in a few event loops. Any goroutine may call their methods.
type Loops struct {
	all   []*loop
	turn  atomic.Uint32
	loops sync.WaitGroup
	tells sync.WaitGroup
	pipes *budget
	keeps atomic.Int32 // buffers that may still be reserved
	low   uint16       // first port that the kernel connects from
	high  uint16       // last port that the kernel connects from
}

// New starts n loops; 0 stands for one per processor. On other systems than Linux the
// error is errors.ErrUnsupported. The program should leave the scheduler one processor
// more than there are loops (runtime.GOMAXPROCS): otherwise a goroutine waits while all
// loops are busy.
func New(n int) (*Loops, error) {
	if n <= 0 {
		n = runtime.NumCPU()
	}
	rs := &Loops{pipes: newBudget()}
	rs.keeps.Store(mostKept)
	rs.low, rs.high = ephemeralPorts()
	for range n {
		r, err := newLoop(rs)
		if err != nil {
			rs.Close()
			return nil, fmt.Errorf("starting loops: %w", err)
		}
		rs.all = append(rs.all, r)
		rs.loops.Go(r.main)
	}
	return rs, nil
}

func newLoop(rs *Loops) (*loop, error) {
	epoll, wake, err := newEpoll()
	if err != nil {
		return nil, err
	}
	r := &loop{
		epoll: epoll,
		base:  time.Now(),
		slab:  newSlab(),
		wheel: newWheel(),
		tells: &rs.tells,
		low:   rs.low,
		high:  rs.high,
	}
	r.pipes.budget, r.keeps.left = rs.pipes, &rs.keeps
	r.queue.wake = wake
	return r, nil
}

// Start is relay.Start. A loop relays two ends that are plain sockets: descriptors, or a
// *net.TCPConn, a *net.UnixConn or a *relay.Conn, whose descriptor is taken and which
// is closed, so that no Read or Write may be under way. All other pairs go to
// relay.Start. Done is called from a goroutine of its own and may wait. After Close, all
// pairs go to relay.Start.
func (rs *Loops) Start(down, up relay.Endpoint, o relay.Options) *relay.Link {
	if !plain(down) || !plain(up) || !take(&down) || !take(&up) {
		return relay.Start(down, up, o)
	}
	r := rs.all[int(rs.turn.Add(1))%len(rs.all)]
	l := &link{done: o.Done, slot: none}
	l.hold(0, down.Head)
	l.hold(1, up.Head)
	l.loop.Store(r)
	l.handle = relay.LinkTo(l)
	if !r.queue.push(command{link: l, begin: &beginning{fds: [2]int32{int32(down.FD), int32(up.FD)}, o: o}}) {
		return relay.Start(down, up, o)
	}
	return &l.handle
}

// Close leaves the listeners, kills the clients and ends the links that loops relay, all
// for the reason relay.Drained. It returns when everything is closed and every Done and
// every Events was told, so neither may call Close. Links of relay.Start go on.
func (rs *Loops) Close() {
	for _, r := range rs.all {
		r.queue.close()
	}
	rs.loops.Wait()
	rs.tells.Wait()
}

// Stats returns what the loops hold now. Links of relay.Start are not counted.
func (rs *Loops) Stats() Stats {
	st := Stats{
		Pipes: int(rs.pipes.open.Load()),
		Kept:  int(mostKept - rs.keeps.Load()),
	}
	for _, r := range rs.all {
		st.Links += int(r.stages[joined].Load())
		st.Waiting += int(r.stages[waiting].Load())
		st.Connecting += int(r.stages[connecting].Load())
		st.Accepted += r.accepted.Load()
	}
	return st
}

// plain reports whether e is a socket with nothing on top. The types are exactly these:
// a type that merely embeds one of them may hold bytes of its own.
func plain(e relay.Endpoint) bool {
	switch e.Conn.(type) {
	case nil, *net.TCPConn, *net.UnixConn, *relay.Conn:
		return true
	}
	return false
}

// take makes e a descriptor without a net.Conn, and reports whether that worked. e is
// unchanged otherwise.
func take(e *relay.Endpoint) bool {
	if e.Conn == nil {
		return true
	}
	fd, err := duplicate(e.Conn)
	if err != nil {
		return false
	}
	_ = e.Conn.Close() // closes the old number; the duplicate keeps the socket open
	e.Conn, e.FD = nil, fd
	return true
}

// duplicate returns another descriptor of c's socket, never one of the first three: a
// broken pipe on descriptor 1 or 2 ends the process.
func duplicate(c net.Conn) (fd int, err error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return none, err
	}
	failed := raw.Control(func(number uintptr) {
		fd, err = unix.FcntlInt(number, unix.F_DUPFD_CLOEXEC, 3)
	})
	if failed != nil {
		return none, failed
	}
	return fd, os.NewSyscallError("fcntl", err)
}
