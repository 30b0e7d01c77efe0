package host

import (
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
	value any
	holds int
}

// Hold returns the value under key, made by make if there is none, and counts one
// more holder. make does not call Hold.
func (s *Store) Hold(key string, make func() (any, error)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	if v := s.values[key]; v != nil {
		v.holds++
		delete(s.idle, key)
		return v.value, nil
	}
	value, err := make()
	if err != nil {
		return nil, err
	}
	if s.values == nil {
		s.values, s.idle = map[string]*shared{}, map[string]*shared{}
	}
	s.values[key] = &shared{value, 1}
	return value, nil
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

// Values returns what is kept, ordered by key.
func (s *Store) Values() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	var values []any
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		values = append(values, s.values[key].value)
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
