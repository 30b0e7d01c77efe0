package host

import (
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
)

// Store keeps what graphs share: upstream state, certificates, watched files. A
// value stays while a graph holds its key, or while it is [Held] by connections. One
// that is an [io.Closer] is closed when it goes. The zero value is empty and ready.
type Store struct {
	mu     sync.Mutex
	values map[string]*shared
	idle   map[string]*shared // those that no graph holds
}

type shared struct {
	holds int
	made  chan struct{} // closed when there is a value, or an error
	value any
	err   error
}

// Hold returns the value under key, made by make if there is none, and counts one
// more holder. Whoever wants the value while it is being made waits for it; nobody else
// does, however long make takes.
func (s *Store) Hold(key string, make func() (any, error)) (any, error) {
	v, first := s.hold(key)
	if first {
		s.fill(key, v, make)
	} else {
		<-v.made
	}
	return v.value, v.err
}

// hold counts a holder of key, and reports whether it is the first one, which makes the
// value.
func (s *Store) hold(key string) (v *shared, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	if v = s.values[key]; v != nil {
		v.holds++
		delete(s.idle, key)
		return v, false
	}
	if s.values == nil {
		s.values, s.idle = map[string]*shared{}, map[string]*shared{}
	}
	v = &shared{holds: 1, made: make(chan struct{}), err: errNotMade}
	s.values[key] = v
	return v, true
}

// errNotMade is what those get who wait for a value whose making panics.
var errNotMade = errors.New("a defect kept it from being made")

// fill makes the value of v. What cannot be made is not kept: the next one tries again.
func (s *Store) fill(key string, v *shared, make func() (any, error)) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if v.err != nil {
			delete(s.values, key)
		}
		close(v.made)
	}()
	v.value, v.err = make()
}

// Drop counts one holder less.
func (s *Store) Drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[key]; v != nil {
		if v.holds--; v.holds <= 0 {
			s.idle[key] = v
		}
	}
	s.sweep()
}

// Values returns what is kept, ordered by key, without what is being made now.
func (s *Store) Values() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	var values []any
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		v := s.values[key]
		select {
		case <-v.made:
			values = append(values, v.value)
		default: // not yet
		}
	}
	return values
}

// sweep forgets what nobody holds.
func (s *Store) sweep() {
	for key, v := range s.idle {
		if held, ok := v.value.(Held); ok && held.Held() {
			continue
		}
		delete(s.idle, key)
		delete(s.values, key)
		if c, ok := v.value.(io.Closer); ok {
			_ = c.Close() // nobody is left who could do anything about it
		}
	}
}
