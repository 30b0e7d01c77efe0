// Package mapfile holds the directive map: many keys, few rules. A file of lines with a
// key and a value says what becomes of a connection whose server name, address or user is
// the key. The map is declared once, in the global block:
//
//	{
//		map tenants /etc/dwaar/tenants {
//			from {tls.server_name}
//			default close
//		}
//	}
//
// and used by its name. In a matcher set it chooses a route, and in a route it is a
// handler; both make the value known as {map.tenants}:
//
//	@gold {
//		tls
//		map tenants gold
//	}
//	route @gold {
//		proxy {map.tenants}
//	}
//
// Configurations that follow each other share a [Map] by name, file and kind of keys, so
// that a reload keeps what an operator has set. docs/maps.md is for users.
package mapfile

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/watch"
)

// Map is a map that is declared. It is shared by configurations, and an actor that
// follows its file. All methods may be called from any goroutine; Find is for
// connections, waits for nobody but an operator's change, and allocates nothing.
type Map struct {
	name, file string
	kind       kind
	table      atomic.Pointer[inUse]
	swaps      atomic.Uint64 // new versions of the file that were taken
	failures   atomic.Uint64 // those that were not
	ran        atomic.Int64  // when Run began, in ns since 1970; 0 while it does not run
	begun      chan struct{} // closed when Run has begun for the first time
	once       sync.Once

	mu    sync.Mutex // one look at the file or one change at a time
	watch watch.Watched[table]
}

// inUse is the table that answers.
type inUse struct{ table }

// open makes a map and reads its file.
func open(name, file string, k kind) (*Map, error) {
	m := &Map{name: name, file: file, kind: k, begun: make(chan struct{})}
	m.watch = watch.New(func() (table, error) { return read(file, k) }, file)
	m.watch.Settle()
	m.refresh()
	if m.table.Load() == nil {
		return nil, m.watch.Err()
	}
	return m, nil
}

// Find returns the value that a key leads to, which belongs to the map: do not change it.
func (m *Map) Find(key string) (value []byte, ok bool) { return m.table.Load().find(key) }

// Name returns the name in the configuration.
func (m *Map) Name() string { return m.name }

// State says how a map is.
type State struct {
	Name     string // in the configuration
	File     string // as it is named there
	Kind     string // of keys: names, exact, prefixes, addresses
	Keys     int    // that lead to a value now
	Changes  int    // keys that an operator has set or deleted since the file was read
	Swaps    uint64 // new versions of the file that were taken, beside the first one
	Failures uint64 // versions of the file that were not taken
	Error    string // why the file as it is now is not used; empty: it is
}

// State returns how the map is now.
func (m *Map) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.table.Load()
	s := State{
		Name: m.name, File: m.file, Kind: m.kind.String(), Keys: t.size(), Changes: t.changed(),
		Swaps: m.swaps.Load() - 1, Failures: m.failures.Load(),
	}
	if err := m.watch.Err(); err != nil {
		s.Error = err.Error()
	}
	return s
}

// outOfDate says why the file as it is now is not what answers; "": it is.
func (m *Map) outOfDate() string {
	s := m.State()
	if s.Error == "" {
		return ""
	}
	return fmt.Sprintf("map %s: the file cannot be used as it is now, and what was read of it before stays: %s", s.Name, s.Error)
}

// Since returns when a configuration that takes connections began to have the map, in ns
// since 1970; 0 if none does. Of two maps of one name the later one is meant.
func (m *Map) Since() int64 { return m.ran.Load() }

// All yields keys and values, those of the file in its order (ranges in the order of their
// addresses), then those that an operator has added. Changes meanwhile may be seen or not.
func (m *Map) All() iter.Seq2[string, []byte] { return m.table.Load().all() }

// Set gives a key a value until the file is read again. The key is written as in the file.
func (m *Map) Set(key, value string) error {
	if err := checkValue(value); err != nil {
		return err
	}
	return m.change(key, func(t *inUse, key string) (table, error) { return t.set(key, []byte(value)) })
}

// Delete takes a key out until the file is read again.
func (m *Map) Delete(key string) error {
	return m.change(key, func(t *inUse, key string) (table, error) { return t.remove(key) })
}

func (m *Map) change(key string, do func(t *inUse, key string) (table, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key, err := m.kind.key(key)
	if err != nil {
		return err
	}
	t, err := do(m.table.Load(), key)
	if err == nil {
		m.table.Store(&inUse{t})
	}
	return err
}

var _ host.Beginner = (*Map)(nil)

// Begun implements [host.Beginner]: it is closed when the map is one that serves.
func (m *Map) Begun() <-chan struct{} { return m.begun }

// Run follows the file until ctx is done.
func (m *Map) Run(ctx context.Context) error {
	m.ran.Store(time.Now().UnixNano())
	defer m.ran.Store(0)
	m.once.Do(func() { close(m.begun) })
	log := host.Log(ctx)
	return watch.Poll(ctx, func() { m.look(log) })
}

// look is one look at the file. What was wrong twice is said and counted once.
func (m *Map) look(log *slog.Logger) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dropped := m.table.Load().changed()
	if m.refresh() {
		log.Info("map replaced", keyMap, m.name, keyFile, m.file, "keys", m.table.Load().size(), "changes_dropped", dropped)
	}
	if err := m.watch.News(); err != nil {
		m.failures.Add(1)
		log.Error("map not read, what was read before stays", keyMap, m.name, keyFile, m.file, keyError, err)
	}
}

// refresh reads the file if it has changed, and reports whether another table is used. m.mu
// is held, or nobody has the map yet.
func (m *Map) refresh() bool {
	if !m.watch.Look() {
		return false
	}
	m.swaps.Add(1)
	m.table.Store(&inUse{m.watch.Value()})
	return true
}

// The keys of what is logged.
const (
	keyMap   = "map"
	keyFile  = "file"
	keyError = "error"
)

// table is what a map holds at one time, of one kind of keys. Keys of set and remove are
// those that kind.key returns; both return the table to use from then on, which may be the
// same. One goroutine at a time changes a table; any number may read it meanwhile.
type table interface {
	find(key string) ([]byte, bool)
	set(key string, value []byte) (table, error)
	remove(key string) (table, error)
	all() iter.Seq2[string, []byte]
	size() int
	changed() int
}

// maxChanges bounds the keys that an operator has changed: whoever has more of them
// writes the file.
const maxChanges = 1 << 16

func errFull() error {
	return fmt.Errorf("%d keys have been changed since the file was read, and more are not kept: write the file anew", maxChanges)
}

func errMissing(key string) error { return fmt.Errorf("the map has no key %s", key) }
