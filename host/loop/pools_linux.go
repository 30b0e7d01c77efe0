package loop

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pipeUnit is the unit of the budget in bytes, and the smaller size of a pipe. The
	// larger size takes a quarter to a third off the CPU time of bulk: fewer calls,
	// fewer wake-ups of the peers.
	pipeUnit   = 256 << 10
	largeUnits = 4
	leastPipe  = 64 << 10 // a smaller one is slower than recv and send
	pageSize   = 4 << 10
	mostUnits  = 1024 // the budget where the kernel has no limit

	// trimEvery is how long a pipe may lie unused before it is closed.
	trimEvery = int64(time.Second)
	// pipeRetry is how long a loop asks for no pipe after it got none.
	pipeRetry = int64(100 * time.Millisecond)
)

// pipe is the two descriptors of a pipe and its size in units.
type pipe struct{ r, w, units int32 }

// noPipe returns the value that stands for no pipe.
func noPipe() pipe { return pipe{r: none, w: none} }

// size returns how many bytes the pipe holds.
func (p pipe) size() int { return int(p.units) * pipeUnit }

func (p pipe) close() {
	_, _ = unix.Close(int(p.r)), unix.Close(int(p.w))
}

// budget bounds the pipes of all loops.
type budget struct {
	most int32        // units
	left atomic.Int32 // units
	open atomic.Int32 // pipes
}

// newBudget returns half of what the kernel allows a user without privileges. Past the
// kernel's limit all new pipes of the user have 8 KiB, in other programs as well.
func newBudget() *budget {
	pages := 16384 // the kernel's default
	if b, err := os.ReadFile("/proc/sys/fs/pipe-user-pages-soft"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			pages = n
		}
	}
	b := &budget{most: mostUnits}
	if pages > 0 {
		b.most = int32(min(pages/2/(pipeUnit/pageSize), mostUnits))
	}
	b.left.Store(b.most)
	return b
}

// buy makes a pipe, a large one while half of the budget is left, and reports whether
// there is one to be had.
func (b *budget) buy() (pipe, bool) {
	for _, units := range [...]int32{largeUnits, 1} {
		if units > 1 && b.left.Load() < b.most/2 {
			continue
		}
		if b.left.Add(-units) >= 0 {
			if q, err := newPipe(units); err == nil {
				b.open.Add(1)
				return q, true
			}
		}
		b.left.Add(units)
	}
	return pipe{}, false
}

// drop closes a pipe, which may hold bytes of its pair.
func (b *budget) drop(q pipe) {
	q.close()
	b.left.Add(q.units)
	b.open.Add(-1)
}

// newPipe makes a pipe, and fails if the kernel does not give it the size.
func newPipe(units int32) (pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return pipe{}, err
	}
	q := pipe{int32(fds[0]), int32(fds[1]), units}
	_, _ = unix.FcntlInt(uintptr(q.w), unix.F_SETPIPE_SZ, q.size()) // EPERM, EBUSY: the size tells
	n, err := unix.FcntlInt(uintptr(q.w), unix.F_GETPIPE_SZ, 0)
	if err != nil || n < leastPipe || units > 1 && n < q.size() {
		q.close()
		return pipe{}, unix.EPERM
	}
	return q, nil
}

// pipes are the pipes of a loop that are not lent; each is empty.
type pipes struct {
	budget  *budget
	idle    []pipe
	least   int   // smallest length of idle since the last trim
	trimAt  int64 // when trim is due; 0: idle is empty
	retryAt int64 // when the budget is asked again after a refusal
}

// lend returns an empty pipe, and reports whether there is one to be had.
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
	q, ok := p.budget.buy()
	if !ok {
		p.retryAt = now + pipeRetry
	}
	return q, ok
}

// giveBack takes q, which is empty.
func (p *pipes) giveBack(q pipe, now int64) {
	if p.trimAt == 0 {
		p.trimAt, p.least = now+trimEvery, 0
	}
	p.idle = append(p.idle, q)
}

// trim closes the pipes that were idle since the last trim.
func (p *pipes) trim(now int64) {
	if p.trimAt == 0 || now < p.trimAt {
		return
	}
	for range p.least {
		p.budget.drop(p.idle[len(p.idle)-1])
		p.idle = p.idle[:len(p.idle)-1]
	}
	p.least, p.trimAt = len(p.idle), now+trimEvery
	if len(p.idle) == 0 {
		p.trimAt = 0
	}
}
