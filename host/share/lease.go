package share

import (
	"context"
	"errors"
)

// ErrReleased is what Share returns after Release.
var ErrReleased = errors.New("sharing with a configuration that was released")

// Lease is what one configuration holds. Its methods may be called from any goroutine;
// Run begins when all is shared, and Release comes last.
type Lease struct {
	store *Store

	// What follows belongs to the store's mutex.
	entries  map[string]*entry
	ended    bool // Run has returned
	released bool
}

// Share returns the value of key, made by make if there is none, and holds it until
// Release. make may share values of other keys, with the same lease too, and never
// its own key.
func (l *Lease) Share(key string, make func() (any, error)) (any, error) {
	if e := l.find(key); e != nil {
		return e.value, nil
	}
	e, err := l.store.hold(key, make)
	if err != nil {
		return nil, err
	}
	return e.value, l.keep(e)
}

func (l *Lease) find(key string) *entry {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.entries[key]
}

// keep takes an entry that was counted for the lease. One that the lease has already
// counts once.
func (l *Lease) keep(e *entry) error {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.entries == nil {
		l.entries = map[string]*entry{}
	}
	switch {
	case l.released || l.entries[e.key] != nil:
		e.retire()
		l.store.drop(e)
	default:
		l.entries[e.key] = e
		if l.ended {
			e.retire()
		}
	}
	if l.released {
		l.store.sweep()
		return ErrReleased
	}
	return nil
}

// Run runs the actors among the values until ctx ends: it is a [host.Actor] for the
// time in which the configuration serves. An actor that runs already, because
// another lease holds its value, goes on, and does not notice when its lease ends
// while the next one, built already, is about to begin.
func (l *Lease) Run(ctx context.Context) error {
	l.store.mu.Lock()
	for _, e := range l.entries {
		e.run(ctx)
	}
	l.store.mu.Unlock()
	<-ctx.Done()
	for _, done := range l.end() {
		<-done
	}
	return ctx.Err()
}

// end says that the configuration serves no longer, and returns what to wait for:
// the actors that end with it.
func (l *Lease) end() (ending []<-chan struct{}) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	l.ended = true
	for _, e := range l.entries {
		if e.retire() {
			ending = append(ending, e.done)
		}
	}
	return ending
}

// Release lets go of all values. It never waits, and may be called more than once.
func (l *Lease) Release() {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.released {
		return
	}
	l.released = true
	for _, e := range l.entries {
		if !l.ended {
			e.retire()
		}
		l.store.drop(e)
	}
	clear(l.entries)
	l.store.sweep()
}
