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

// Loops relay plain sockets in a few event loops. Its methods may be called
// from any goroutine.
type Loops struct {
	all   []*loop
	turn  atomic.Uint32
	loops sync.WaitGroup
	tells sync.WaitGroup
	pipes *budget
	keeps atomic.Int32 // that may still be used
	low   uint16       // the kernel connects from
	high  uint16       // ports of this range
}

// New starts n loops; 0 stands for one per processor. Where there are none,
// which is everywhere but on Linux, the error is errors.ErrUnsupported. The
// program should leave the scheduler one processor more than there are
// loops (runtime.GOMAXPROCS): a goroutine beside a busy loop otherwise
// waits for it.
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

// Start is relay.Start. Two ends that are plain sockets, bare or in a
// *net.TCPConn, a *net.UnixConn or a *relay.Conn, are relayed by a loop;
// their descriptors are taken out of their connections, which are closed: no
// Read or Write may be under way. All others are given to relay.Start. Done
// is called from a goroutine of its own and may wait. After Close, all links
// are relay.Start's.
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

// Close leaves the listeners, ends the links that loops still relay and kills
// the clients before that, all for the reason relay.Drained, and returns when all
// is closed and every Done and every Events has been told; so do not call it from
// there. Links that were given to relay.Start go on.
func (rs *Loops) Close() {
	for _, r := range rs.all {
		r.queue.close()
	}
	rs.loops.Wait()
	rs.tells.Wait()
}

// Stats counts. Links that were given to relay.Start are not among them.
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

// plain says whether e is a socket with nothing on it. The types are exactly
// these: one that merely embeds them may hold bytes of its own.
func plain(e relay.Endpoint) bool {
	switch e.Conn.(type) {
	case nil, *net.TCPConn, *net.UnixConn, *relay.Conn:
		return true
	}
	return false
}

// take makes e a bare descriptor. Where that fails e stays what it is.
func take(e *relay.Endpoint) bool {
	if e.Conn == nil {
		return true
	}
	fd, err := duplicate(e.Conn)
	if err != nil {
		return false
	}
	_ = e.Conn.Close() // its own number; the socket lives on in ours
	e.Conn, e.FD = nil, fd
	return true
}

// duplicate returns another descriptor of c's socket. It is never one of the
// first three: on 1 and 2 a broken pipe ends the process.
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
