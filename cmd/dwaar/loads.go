package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"dwaar.dev/dwaar/host/engine"
)

const (
	// lastMoment is what something may take to end once it is to: to end a process and
	// remove a directory. What hangs longer ends with this process.
	lastMoment = time.Second

	// slowLoad is when a load has taken so long that somebody should look: the compiler of
	// a large plugin needs ten seconds.
	slowLoad = 30 * time.Second
)

// load is a configuration that waits to be loaded, or is being loaded.
type load struct {
	run    func(ctx context.Context, drains uint64) error
	drains uint64        // there had been when it was last asked for
	reload bool          // it reads the file: whoever asks for another one before it begins gets this one
	done   chan struct{} // closed afterwards
	err    error         // what came of it
}

// loads are those that wait: one after the other is done by [loads.do], so that nobody who
// asks for one has to wait, and a signal above all. The zero value is ready.
type loads struct {
	mu      sync.Mutex
	waiting []*load
	ended   bool
	wake    chan struct{} // closed when there is one more, or none will be done
}

// reload asks for a load of the file. All that ask before it begins share it.
func (q *loads) reload(drains uint64, run func(context.Context, uint64) error) *load {
	return q.add(&load{run: run, drains: drains, reload: true, done: make(chan struct{})})
}

// other asks for a load of anything else.
func (q *loads) other(drains uint64, run func(context.Context, uint64) error) *load {
	return q.add(&load{run: run, drains: drains, done: make(chan struct{})})
}

func (q *loads) add(l *load) *load {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.IndexFunc(q.waiting, func(o *load) bool { return o.reload && l.reload }); i >= 0 {
		q.waiting[i].drains = max(q.waiting[i].drains, l.drains)
		return q.waiting[i]
	}
	if q.ended {
		l.end(engine.ErrStopping)
		return l
	}
	q.waiting = append(q.waiting, l)
	q.rouse()
	return l
}

// rouse wakes next. mu is held.
func (q *loads) rouse() {
	if q.wake != nil {
		close(q.wake)
		q.wake = nil
	}
}

// end says what came of a load.
func (l *load) end(err error) {
	l.err = err
	close(l.done)
}

// next takes the first one that waits; if there is none, wait is closed when that changes.
func (q *loads) next() (l *load, wait <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		l, q.waiting = q.waiting[0], q.waiting[1:]
		return l, nil
	}
	if q.wake == nil {
		q.wake = make(chan struct{})
	}
	return nil, q.wake
}

// do loads what comes until ctx ends. What waits then, and comes later, has come too late.
func (q *loads) do(ctx context.Context, log *slog.Logger) {
	defer q.end()
	for ctx.Err() == nil {
		l, wait := q.next()
		if l != nil {
			slow := time.AfterFunc(slowLoad, func() {
				log.Warn("loading a configuration takes long, and no other one is loaded meanwhile: does a file or a disk not answer?")
			})
			l.end(aside(ctx, func() error { return l.run(ctx, l.drains) }))
			slow.Stop()
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
}

func (q *loads) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	for _, l := range q.waiting {
		l.end(engine.ErrStopping)
	}
	q.waiting = nil
}

// errLeft is the error of what was left behind because it did not end.
var errLeft = errors.New("it did not end in time, and ends with the process")

// aside runs what nobody may have to wait for: a read of a file that is a pipe has no end.
// Once ctx has ended run has a last moment; then it is left behind, with errLeft. A panic
// of run is an error.
func aside(ctx context.Context, run func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("a defect: %v\n%s", r, debug.Stack())
			}
		}()
		done <- run()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(lastMoment)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errLeft
	}
}
