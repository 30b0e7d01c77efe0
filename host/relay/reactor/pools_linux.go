package reactor

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pipeSize  = 256 << 10
	leastPipe = 64 << 10 // a smaller one is slower than recv and send
	pageSize  = 4 << 10
	mostPipes = 1024 // where the kernel has no limit

	// trimEvery is how long a pipe may lie unused before it is closed.
	trimEvery = int64(time.Second)
	// pipeRetry keeps a reactor whose user has no pipes left from asking for
	// one per read.
	pipeRetry = int64(100 * time.Millisecond)
)

// pipe is two descriptors.
type pipe struct{ r, w int32 }

// noPipe is none.
func noPipe() pipe { return pipe{none, none} }

func (p pipe) close() {
	_, _ = unix.Close(int(p.r)), unix.Close(int(p.w))
}

// pipeBudget is how many pipes all reactors may have: half of what the kernel
// allows a user without privileges. Past that limit its pipes have 8 KiB, also
// those of the user's other programs.
func pipeBudget() int32 {
	pages := 16384 // the kernel's default
	if b, err := os.ReadFile("/proc/sys/fs/pipe-user-pages-soft"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			pages = n
		}
	}
	if pages == 0 {
		return mostPipes
	}
	return int32(min(pages/2/(pipeSize/pageSize), mostPipes))
}

// pipes are the pipes of a reactor that nobody borrows; each is empty.
type pipes struct {
	left    *atomic.Int32 // of the budget of all reactors
	idle    []pipe
	least   int   // how few lay idle since the last trim
	trimAt  int64 // 0: not while none is idle
	retryAt int64
}

// lend returns an empty pipe, or false if there is none to be had.
func (p *pipes) lend(now int64) (pipe, bool) {
	if n := len(p.idle); n > 0 {
		q := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.least = min(p.least, n-1)
		return q, true
	}
	if now < p.retryAt {
		return pipe{}, false
	}
	if p.left.Add(-1) >= 0 {
		if q, err := newPipe(); err == nil {
			return q, true
		}
	}
	p.left.Add(1)
	p.retryAt = now + pipeRetry
	return pipe{}, false
}

// giveBack takes q, which is empty.
func (p *pipes) giveBack(q pipe, now int64) {
	if p.trimAt == 0 {
		p.trimAt, p.least = now+trimEvery, 0
	}
	p.idle = append(p.idle, q)
}

// drop closes q, which may hold bytes: nobody else must see them.
func (p *pipes) drop(q pipe) {
	q.close()
	p.left.Add(1)
}

// trim closes the pipes that nobody wanted for a while.
func (p *pipes) trim(now int64) {
	if p.trimAt == 0 || now < p.trimAt {
		return
	}
	for range p.least {
		p.drop(p.idle[len(p.idle)-1])
		p.idle = p.idle[:len(p.idle)-1]
	}
	p.least, p.trimAt = len(p.idle), now+trimEvery
	if len(p.idle) == 0 {
		p.trimAt = 0
	}
}

// newPipe makes a pipe, and reads its size back.
func newPipe() (pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return pipe{}, err
	}
	q := pipe{int32(fds[0]), int32(fds[1])}
	_, _ = unix.FcntlInt(uintptr(q.w), unix.F_SETPIPE_SZ, pipeSize) // EPERM, EBUSY: the size tells
	if n, err := unix.FcntlInt(uintptr(q.w), unix.F_GETPIPE_SZ, 0); err != nil || n < leastPipe {
		q.close()
		return pipe{}, unix.EPERM
	}
	return q, nil
}
