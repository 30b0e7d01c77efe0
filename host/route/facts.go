package route

import (
	"bytes"
	"iter"
	"slices"
)

// Facts is what is known of a connection: what its matchers found, what handlers
// set, variables. Names have two parts, "tls" and "server_name" for
// tls.server_name. Of two facts with one name the later one counts: it comes from
// the inner phase. The memory is bounded and kept for the next connection.
type Facts struct {
	arena[factName]
}

type factName struct{ of, key string }

// Put records a fact and copies value. It returns false when the connection has
// no room for it.
func (fs *Facts) Put(of, key string, value []byte) bool {
	return put(&fs.arena, factName{of, key}, value)
}

// PutString records a fact as Put does.
func (fs *Facts) PutString(of, key, value string) bool {
	return put(&fs.arena, factName{of, key}, value)
}

// Bytes returns the value of a fact by its full name, valid until Reset.
func (fs *Facts) Bytes(name string) ([]byte, bool) {
	for i := fs.Len() - 1; i >= 0; i-- {
		if fs.key(i).is(name) {
			return fs.value(i), true
		}
	}
	return nil, false
}

// Get returns the value of a fact by its full name.
func (fs *Facts) Get(name string) (string, bool) {
	b, ok := fs.Bytes(name)
	return string(b), ok
}

// All yields the facts that count, oldest first.
func (fs *Facts) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range fs.Len() {
			if fs.hidden(i) {
				continue
			}
			name := fs.key(i)
			if !yield(name.of+"."+name.key, string(fs.value(i))) {
				return
			}
		}
	}
}

// Add records those facts of others that have a name of their own here.
func (fs *Facts) Add(others *Facts) {
	for i := range others.Len() {
		if name := others.key(i); !others.hidden(i) && !fs.has(name) {
			fs.Put(name.of, name.key, others.value(i))
		}
	}
}

// AddLatest adds at most count of the latest facts that count, and no more than size bytes
// of each value, in their order. Where others has no more than that, those that a later one
// hides come along, and are hidden here too.
func (fs *Facts) AddLatest(others *Facts, count, size int) {
	few := others.Len() <= count
	first := others.Len()
	for n := 0; first > 0 && n < count; {
		if first--; few || !others.hidden(first) {
			n++
		}
	}
	for i := first; i < others.Len(); i++ {
		if few || !others.hidden(i) {
			name, value := others.key(i), others.value(i)
			fs.Put(name.of, name.key, value[:min(len(value), size)])
		}
	}
}

func (fs *Facts) has(name *factName) bool {
	for i := range fs.Len() {
		if *fs.key(i) == *name {
			return true
		}
	}
	return false
}

// Reset forgets everything and keeps the memory.
func (fs *Facts) Reset() { fs.items, fs.bytes = fs.items[:0], fs.bytes[:0] }

// hidden reports whether a later fact has the name of fact i.
func (fs *Facts) hidden(i int) bool {
	for _, later := range fs.items[i+1:] {
		if later.key == fs.items[i].key {
			return true
		}
	}
	return false
}

func (f *factName) is(name string) bool {
	n := len(f.of)
	return len(name) == n+1+len(f.key) && name[n] == '.' && name[:n] == f.of && name[n+1:] == f.key
}

// Compact returns a copy of the facts in as little memory as they need.
func (fs *Facts) Compact() *Facts {
	return &Facts{arena[factName]{slices.Clone(fs.items), bytes.Clone(fs.bytes)}}
}
