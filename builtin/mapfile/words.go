package mapfile

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"dwaar.dev/dwaar/sdk"
)

// words is the table of names, exact words and prefixes: the entries of the file one
// after the other, and a hash table of where each begins. Beside the text of a key and
// its value it takes 8 bytes. What an operator has changed lies over it.
type words struct {
	index
	kind    kind
	changes *changes
}

// index is the part that is made of the file and never changes.
type index struct {
	entries []byte   // of each: the length of key and value, a byte each, and both
	slots   []uint32 // where an entry begins, plus one; 0: none. A key is in the first free slot from that of its hash on
	seed    maphash.Seed
	count   int
	lengths lengths // of the keys
}

// changes are the keys that an operator has changed.
type changes struct {
	count   atomic.Int32 // of keys: most maps have none, and lookups need no lock then
	mu      sync.RWMutex
	keys    map[string][]byte // nil: the key is deleted
	lengths lengths           // of the keys that were set
}

// lengths is a set of lengths of keys.
type lengths [maxWord/64 + 1]uint64

func (l *lengths) add(n int) { l[n/64] |= 1 << (n % 64) }

// longest returns the greatest member that is at most n, or 0.
func (l *lengths) longest(n int) int {
	for i := n / 64; i >= 0; i-- {
		set := l[i]
		if i == n/64 {
			set &= 1<<(n%64+1) - 1
		}
		if set != 0 {
			return i*64 + bits.Len64(set) - 1
		}
	}
	return 0
}

// find returns the value that a key leads to.
func (w *words) find(key string) ([]byte, bool) {
	var room [maxWord + 1]byte
	switch {
	case w.kind == prefixes:
		return w.prefix(append(room[:0], key[:min(len(key), maxWord)]...))
	case len(key) > maxWord:
		return nil, false
	case w.kind == exact:
		return w.get(append(room[:0], key...))
	}
	b := append(room[:0], key...)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
		if c == '*' {
			return nil, false // a client's own * stands for nothing
		}
	}
	if value, ok := w.get(b); ok {
		return value, true
	}
	dot := bytes.IndexByte(b, '.')
	if dot < 1 {
		return nil, false
	}
	b[dot-1] = '*'
	return w.get(b[dot-1:])
}

// prefix returns the value of the longest key that word begins with.
func (w *words) prefix(word []byte) ([]byte, bool) {
	all := w.lengths
	if w.changes.count.Load() > 0 {
		w.changes.mu.RLock()
		for i, set := range w.changes.lengths {
			all[i] |= set
		}
		w.changes.mu.RUnlock()
	}
	for n := all.longest(len(word)); n > 0; n = all.longest(n - 1) {
		if value, ok := w.get(word[:n]); ok {
			return value, true
		}
	}
	return nil, false
}

// get returns the value of a key: the operator's, or the file's.
func (w *words) get(key []byte) ([]byte, bool) {
	if w.changes.count.Load() > 0 {
		w.changes.mu.RLock()
		value, ok := w.changes.keys[string(key)]
		w.changes.mu.RUnlock()
		if ok {
			return value, value != nil
		}
	}
	return w.index.get(key)
}

// get returns the value that the file gives a key.
func (x *index) get(key []byte) ([]byte, bool) {
	slot := x.look(key)
	if slot < 0 || x.slots[slot] == 0 {
		return nil, false
	}
	_, value, _ := x.entry(int(x.slots[slot] - 1))
	return value, true
}

// look returns the slot of a key, which is free if the key is not there; -1: the index
// has no slots.
func (x *index) look(key []byte) int {
	if len(x.slots) == 0 {
		return -1
	}
	at, _ := bits.Mul64(maphash.Bytes(x.seed, key), uint64(len(x.slots)))
	for slot := int(at); ; slot++ {
		if slot == len(x.slots) {
			slot = 0
		}
		if x.slots[slot] == 0 {
			return slot
		}
		if k, _, _ := x.entry(int(x.slots[slot] - 1)); bytes.Equal(k, key) {
			return slot
		}
	}
}

// entry returns the entry that begins at an offset, and where the next one does.
func (x *index) entry(at int) (key, value []byte, next int) {
	from := at + 2
	mid := from + int(x.entries[at])
	next = mid + int(x.entries[at+1])
	return x.entries[from:mid:mid], x.entries[mid:next:next], next
}

// set gives a key a value over the file's.
func (w *words) set(key string, value []byte) (table, error) {
	c := w.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.keys[key]; !again && len(c.keys) >= maxChanges {
		return nil, errFull()
	}
	c.put(key, value)
	c.lengths.add(len(key))
	return w, nil
}

// remove hides a key.
func (w *words) remove(key string) (table, error) {
	c := w.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	value, changed := c.keys[key]
	_, there := w.index.get([]byte(key))
	switch {
	case changed && value == nil, !changed && !there:
		return nil, errMissing(key)
	case !there:
		delete(c.keys, key)
		c.count.Store(int32(len(c.keys)))
		return w, nil
	case !changed && len(c.keys) >= maxChanges:
		return nil, errFull()
	}
	c.put(key, nil)
	return w, nil
}

func (c *changes) put(key string, value []byte) {
	if c.keys == nil {
		c.keys = map[string][]byte{}
	}
	c.keys[key] = value
	c.count.Store(int32(len(c.keys)))
}

// all yields what there is.
func (w *words) all() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		w.changes.mu.RLock()
		changed := maps.Clone(w.changes.keys)
		w.changes.mu.RUnlock()
		for at := 0; at < len(w.entries); {
			key, value, next := w.entry(at)
			at = next
			if other, ok := changed[string(key)]; ok {
				value = other
				delete(changed, string(key))
			}
			if value != nil && !yield(string(key), value) {
				return
			}
		}
		for _, key := range slices.Sorted(maps.Keys(changed)) {
			if value := changed[key]; value != nil && !yield(key, value) {
				return
			}
		}
	}
}

// size returns how many keys lead to a value.
func (w *words) size() int {
	w.changes.mu.RLock()
	defer w.changes.mu.RUnlock()
	n := w.count
	for key, value := range w.changes.keys {
		switch _, there := w.index.get([]byte(key)); {
		case there && value == nil:
			n--
		case !there:
			n++
		}
	}
	return n
}

func (w *words) changed() int { return int(w.changes.count.Load()) }

// newWords returns what gathers the words of a file of that size in bytes.
func newWords(k kind, size int) *wordGatherer {
	return &wordGatherer{words: words{
		kind: k, changes: new(changes),
		index: index{seed: maphash.MakeSeed(), entries: make([]byte, 0, size+2)},
	}}
}

// wordGatherer is a gatherer of words. An entry is never longer than its line, so that
// what it gathers has room in as many bytes as the file has.
type wordGatherer struct {
	words
	at, lines []uint32 // of each entry: its offset and its line
}

func (g *wordGatherer) add(key string, value []byte, line int) error {
	g.at, g.lines = append(g.at, uint32(len(g.entries))), append(g.lines, uint32(line))
	g.entries = append(g.entries, byte(len(key)), byte(len(value)))
	g.entries = append(append(g.entries, key...), value...)
	g.lengths.add(len(key))
	return nil
}

// done makes the hash table, half as large again as there are keys.
func (g *wordGatherer) done() (table, sdk.Errors) {
	var faults sdk.Errors
	if spare := cap(g.entries) - len(g.entries); spare > len(g.entries)/8 {
		g.entries = slices.Clone(g.entries) // much of the file was comments
	}
	g.slots = make([]uint32, len(g.at)+(len(g.at)+1)/2)
	for i, at := range g.at {
		key, _, _ := g.entry(int(at))
		slot := g.look(key)
		if first := g.slots[slot]; first != 0 {
			if len(faults) < maxFaults {
				faults = append(faults, sdk.Errorf(sdk.Pos{Line: int(g.lines[i]), Col: 1}, "%s", g.twice(key, first-1)))
			}
			continue
		}
		g.slots[slot] = at + 1
		g.count++
	}
	w := g.words
	return &w, faults
}

// twice says where a key has stood before.
func (g *wordGatherer) twice(key []byte, first uint32) string {
	i, _ := slices.BinarySearch(g.at, first)
	return fmt.Sprintf("%s stands in line %d already: leave one of them out", clip(string(key)), g.lines[i])
}
