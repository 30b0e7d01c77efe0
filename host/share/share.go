// Package share keeps what configurations have in common: upstream state,
// certificates, watched files. A [Store] belongs to a process, a [Lease] to one
// configuration:
//
//	lease := store.Lease()
//	v, err := lease.Share("upstream 10.0.0.1:80", newUpstream)   // made once, or found
//	…
//	go lease.Run(ctx)   // while this configuration serves
//	lease.Release()     // when nothing of it is used any more
//
// The laws:
//
//   - A value is made once while it is held. Whoever asks for its key meanwhile waits
//     for it; nobody waits for a value with another key.
//   - What could not be made is made again by whoever asks next.
//   - A value stays as long as a lease holds it, or, if it is a [host.Held], a
//     connection does. One that is an [io.Closer] is then closed, in a goroutine that
//     [Store.Wait] waits for, and is gone before its key has another value.
//   - The value of an [host.Actor] runs from the first [Lease.Run] on until every
//     lease that holds it has ended or was released, however many follow each other.
package share

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"dwaar.dev/dwaar/host"
)

// Store keeps shared values. The zero value is empty and ready; all methods may be
// called from any goroutine.
type Store struct {
	mu      sync.Mutex // never held while a value is made, run or closed
	entries map[string]*entry
	idle    map[*entry]bool // those that no lease holds
}

// entry is a key with its value. Its fields belong to the store's mutex.
type entry struct {
	key   string
	value any
	holds int // leases that hold the value
	live  int // of these, the ones whose configuration serves or may come to serve

	busy    chan struct{} // closed when the value was made, or is gone; nil: it is there
	leaving bool          // busy is about the end of the value
	runner
}

// ready reports whether the value can be used.
func (e *entry) ready() bool { return e.busy == nil }

// Lease returns what a configuration holds values by. It holds none yet.
func (s *Store) Lease() *Lease { return &Lease{store: s} }

// hold returns the entry of a key with one more holder. The value is made if there
// is none.
func (s *Store) hold(key string, make func() (any, error)) (*entry, error) {
	for {
		e, wait := s.take(key)
		switch {
		case wait != nil:
			<-wait
		case e.ready():
			return e, nil
		default:
			return s.fill(e, make)
		}
	}
}

// take returns the entry of a key: one that holds a value and is counted, a new one
// that the caller has to fill, or none, and what to wait for before the next try.
func (s *Store) take(key string) (e *entry, wait <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	e = s.entries[key]
	switch {
	case e == nil:
		if s.entries == nil {
			s.entries, s.idle = map[string]*entry{}, map[*entry]bool{}
		}
		e = &entry{key: key, busy: make(chan struct{})}
		s.entries[key] = e
		return e, nil
	case e.ready():
		e.holds++
		e.live++
		delete(s.idle, e)
		return e, nil
	}
	return nil, e.busy
}

// fill makes the value of a new entry. Where make fails or panics nothing is left of
// the entry, and those who wait for it try themselves.
func (s *Store) fill(e *entry, make func() (any, error)) (_ *entry, err error) {
	made := false
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(e.busy)
		if e.busy = nil; made {
			e.holds, e.live = 1, 1
		} else {
			delete(s.entries, e.key)
		}
	}()
	e.value, err = make()
	made = err == nil
	return e, err
}

// drop counts a holder out. s.mu is held.
func (s *Store) drop(e *entry) {
	if e.holds--; e.holds == 0 {
		s.idle[e] = true
	}
}

// sweep sees to the end of values that nobody holds. s.mu is held.
func (s *Store) sweep() {
	for e := range s.idle {
		if held, ok := e.value.(host.Held); ok && held.Held() {
			continue
		}
		delete(s.idle, e)
		closer, ok := e.value.(io.Closer)
		if !ok && e.done == nil {
			delete(s.entries, e.key)
			continue
		}
		e.busy, e.leaving = make(chan struct{}), true
		go s.end(e, closer)
	}
}

// end waits for the actor of a value, closes the value, and forgets it.
func (s *Store) end(e *entry, closer io.Closer) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.entries, e.key)
		close(e.busy)
	}()
	if e.done != nil {
		<-e.done
	}
	if closer == nil {
		return
	}
	defer func() { _ = recover() }() // as an error would be: nobody is left who could do anything about it
	_ = closer.Close()
}

// Wait returns when every value that nobody holds any more was closed, or ctx ends.
// It is for the end of a program, behind that of its configurations.
func (s *Store) Wait(ctx context.Context) error {
	for {
		e := s.leaver()
		if e == nil {
			return nil
		}
		select {
		case <-e:
		case <-ctx.Done():
			return fmt.Errorf("closing what configurations shared: %w", ctx.Err())
		}
	}
}

// leaver returns what is closed at the end of some value that is about to go, or nil.
func (s *Store) leaver() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	for _, e := range s.entries {
		if e.leaving {
			return e.busy
		}
	}
	return nil
}

// All returns the values of type T that are kept, ordered by key.
func All[T any](s *Store) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	var values []T
	for _, key := range slices.Sorted(maps.Keys(s.entries)) {
		if e := s.entries[key]; e.ready() {
			if v, ok := e.value.(T); ok {
				values = append(values, v)
			}
		}
	}
	return values
}
