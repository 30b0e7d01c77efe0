package host

import (
	"maps"
	"slices"
	"sync"
)

// Store keeps what graphs share: upstream state, certificates, watched files. A
// value stays while a graph holds its key, or while it is [Held] by connections.
// The zero value is empty and ready.
type Store struct {
	mu     sync.Mutex
	values map[string]*shared
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
		return v.value, nil
	}
	value, err := make()
	if err != nil {
		return nil, err
	}
	if s.values == nil {
		s.values = map[string]*shared{}
	}
	s.values[key] = &shared{value, 1}
	return value, nil
}

// Drop counts one holder less.
func (s *Store) Drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[key]; v != nil {
		v.holds--
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
	for key, v := range s.values {
		if held, ok := v.value.(Held); v.holds <= 0 && (!ok || !held.Held()) {
			delete(s.values, key)
		}
	}
}
