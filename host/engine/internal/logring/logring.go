// Package logring puts a bounded buffer between a program and the place its log
// goes to. Whoever logs never waits for whoever reads: a line that finds the
// buffer full, or that cannot be written, is dropped and counted, and once the reader
// reads again the program is told how many lines are missing.
//
//	ring := logring.New(os.Stderr, 1<<20, func(lost uint64) { log.Warn("log lines were dropped", "lines", lost) })
//	log = slog.New(slog.NewJSONHandler(ring, nil))
//	defer ring.Close(ctx)
//
// Lines wait in one piece of memory that the writer goroutine takes as a whole, so
// that a busy program makes one write of many lines:
//
//	Write ─▶ waiting ─(swap)─▶ writing ─▶ w
//	Write ─▶   …        full: dropped, counted
package logring

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Ring is an io.Writer whose Write never blocks. Make one with [New]; its methods
// may be called from any goroutine.
type Ring struct {
	w    io.Writer
	size int
	lost func(lines uint64)
	wake chan struct{} // holds one token when lines wait or the ring was closed
	done chan struct{} // closed when the writer has left

	mu      sync.Mutex
	waiting []byte
	closed  bool
	dropped uint64 // since New
	told    uint64 // of these, how many lost was told of
	failed  error  // the last error of w, for Close
	torn    bool   // the last line that w took is not whole
}

// New returns a ring that holds at most size bytes and starts its writer, which
// runs until Close. lost, which may be nil, is called by the writer after w has
// taken lines again, with how many were dropped before; it may write to the ring.
func New(w io.Writer, size int, lost func(lines uint64)) *Ring {
	r := &Ring{w: w, size: size, lost: lost, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go r.run()
	return r
}

// Write takes a copy of one line, or drops it if the ring is full or closed. It
// always says that it wrote all of it: a log has no better place to complain to.
func (r *Ring) Write(line []byte) (int, error) {
	r.mu.Lock()
	if r.closed || len(r.waiting)+len(line) > r.size {
		r.dropped++
	} else {
		r.waiting = append(r.waiting, line...)
	}
	r.mu.Unlock()
	r.signal()
	return len(line), nil
}

// Dropped returns how many lines were dropped since New.
func (r *Ring) Dropped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Close writes what waits and ends the writer. If ctx ends first, the rest is lost:
// then a write that nobody reads is cut short where w has deadlines, as pipes and
// sockets do, and left alone where it has none. Lines written after Close are
// dropped. It does not close w.
func (r *Ring) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.signal()
	select {
	case <-r.done:
		return r.failure()
	case <-ctx.Done():
	}
	if w, ok := r.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if w.SetWriteDeadline(time.Unix(1, 0)) == nil { // a moment in the past
			<-r.done
		}
	}
	return fmt.Errorf("writing the last log lines: %w", ctx.Err())
}

func (r *Ring) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return fmt.Errorf("writing the log: %w", r.failed)
	}
	return nil
}

func (r *Ring) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run is the writer. The two buffers change places, so that it allocates nothing
// once both have grown to what is needed.
func (r *Ring) run() {
	defer close(r.done)
	var writing []byte
	for range r.wake {
		for {
			var closed bool
			writing, closed = r.take(writing)
			if len(writing) == 0 && closed {
				return
			}
			if len(writing) == 0 {
				break
			}
			r.flush(writing)
		}
	}
}

// take swaps the written buffer for the waiting one.
func (r *Ring) take(written []byte) (waiting []byte, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting, r.waiting = r.waiting, written[:0]
	return waiting, r.closed
}

// flush writes lines. What w does not take is dropped: a disk may be full for hours, and a
// pipe without a reader stays so.
func (r *Ring) flush(lines []byte) {
	n, err := r.write(lines)
	r.mu.Lock()
	r.failed = err
	if err != nil {
		r.dropped += uint64(bytes.Count(lines[n:], []byte{'\n'}))
	}
	missing := r.dropped - r.told
	if err != nil || r.closed {
		missing = 0
	}
	r.told += missing
	r.mu.Unlock()
	if missing > 0 && r.lost != nil {
		r.lost(missing)
	}
}

// write gives w some lines, and says how many bytes of them it took. A line that it took the
// beginning of is ended first, so that the next one begins where a line does.
func (r *Ring) write(lines []byte) (n int, err error) {
	if r.torn {
		if _, err := r.w.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		r.torn = false
	}
	n, err = r.w.Write(lines)
	n = min(max(n, 0), len(lines))
	r.torn = err != nil && n > 0 && lines[n-1] != '\n'
	return n, err
}
