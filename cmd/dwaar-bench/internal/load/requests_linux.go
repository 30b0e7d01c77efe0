package load

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/epoll"
)

// requests is the part of Requests.
type requests struct {
	*run
	Requests
	owner   int32
	slots   []requestSlot
	live    int
	asked   int // answers that have come, the unmeasured ones too
	message []byte
	counts  counts
}

type requestSlot struct {
	fd, got int
	at      time.Time
}

func (q *requests) fill() error {
	if q.slots != nil {
		if q.live == 0 {
			return fmt.Errorf("sending requests: every connection failed: %v", q.counts.Errors)
		}
		return nil
	}
	q.slots, q.live = make([]requestSlot, q.Conns), q.Conns
	q.message = make([]byte, q.Request)
	for i := range q.slots {
		fd, err := q.dial()
		if err != nil {
			return err
		}
		q.slots[i].fd = fd
		if err := epoll.NoDelay(fd); err != nil {
			return err
		}
		if err := sendAll(fd, slices.Concat(q.First, q.message)); err != nil {
			return err
		}
		q.slots[i].at = time.Now()
		if err := q.poller.Add(fd, q.owner, int32(i), waiting); err != nil {
			return err
		}
	}
	return nil
}

func (q *requests) event(slot int32, _ uint32) error {
	c := &q.slots[slot]
	if c.fd < 0 {
		return nil
	}
	n, errno := epoll.Read(c.fd, q.buffer)
	if epoll.Blocked(errno) {
		return nil
	}
	if errno != 0 || n == 0 {
		q.drop(c, "waiting for an answer", errno)
		return nil
	}
	if c.got == 0 {
		q.counts.check(q.Expect, q.buffer[:n])
	}
	if c.got += n; c.got >= q.Answer {
		q.answered(c)
	}
	return nil
}

// answered counts an answer and sends the next request.
func (q *requests) answered(c *requestSlot) {
	now := time.Now()
	if q.measuring {
		q.counts.Done++
		q.counts.latency.Add(now.Sub(c.at))
	}
	q.asked++
	c.got, c.at = 0, now
	if n, errno := epoll.Write(c.fd, q.message); errno != 0 || n < len(q.message) {
		q.drop(c, "sending a request", errno)
	}
}

func (q *requests) drop(c *requestSlot, doing string, errno unix.Errno) {
	q.counts.fail(doing, errno)
	epoll.Close(c.fd)
	c.fd = -1
	q.live--
}

func (q *requests) done() bool { return q.asked >= q.Count }

// end also counts the time that requests have waited which no answered one has waited
// so long: a proxy that answers none would otherwise look fast.
func (q *requests) end(s *Sample) {
	slowest := q.counts.latency.Quantile(1)
	for _, c := range q.slots {
		if c.fd < 0 {
			continue
		}
		if waited := time.Since(c.at); q.measuring && waited > slowest {
			q.counts.latency.Add(waited)
			q.counts.Waiting++
		}
		epoll.Abort(c.fd)
	}
	s.Requests = q.counts.report()
}

// sendAll sends b on a socket that is just connecting.
func sendAll(fd int, b []byte) error {
	limit := time.Now().Add(patience)
	for len(b) > 0 {
		n, errno := epoll.Write(fd, b)
		b = b[n:]
		switch {
		case errno == 0:
		case !epoll.Blocked(errno):
			return fmt.Errorf("sending first bytes: %w", errno)
		case time.Now().After(limit):
			return fmt.Errorf("sending first bytes: %w", unix.ETIMEDOUT)
		default:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(patience.Milliseconds())) // the next write tells
		}
	}
	return nil
}
