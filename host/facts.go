package host

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
	list  []fact
	arena []byte
}

type fact struct {
	of, key string
	at, len int
}

// The bounds of what one connection can make the proxy remember.
const (
	MaxFacts     = 256      // facts of one connection
	MaxFactBytes = 32 << 10 // their values together
)

// Put records a fact and copies value. It returns false when the connection has
// no room for it.
func (fs *Facts) Put(of, key string, value []byte) bool { return put(fs, of, key, value) }

// PutString records a fact as Put does.
func (fs *Facts) PutString(of, key, value string) bool { return put(fs, of, key, value) }

func put[T string | []byte](fs *Facts, of, key string, value T) bool {
	if !fs.room(len(value)) {
		return false
	}
	at := len(fs.arena)
	fs.arena = append(fs.arena, value...)
	fs.list = append(fs.list, fact{of, key, at, len(value)})
	return true
}

func (fs *Facts) room(n int) bool {
	return len(fs.list) < MaxFacts && len(fs.arena)+n <= MaxFactBytes
}

// Bytes returns the value of a fact by its full name, valid until Reset.
func (fs *Facts) Bytes(name string) ([]byte, bool) {
	for i := len(fs.list) - 1; i >= 0; i-- {
		if f := &fs.list[i]; f.is(name) {
			return fs.arena[f.at : f.at+f.len], true
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
		for i := range fs.list {
			f := &fs.list[i]
			if fs.hidden(i) {
				continue
			}
			if !yield(f.of+"."+f.key, string(fs.arena[f.at:f.at+f.len])) {
				return
			}
		}
	}
}

// Len returns how many facts were recorded.
func (fs *Facts) Len() int { return len(fs.list) }

// Truncate forgets all but the first n facts.
func (fs *Facts) Truncate(n int) {
	if n < len(fs.list) {
		fs.arena = fs.arena[:fs.list[n].at]
		fs.list = fs.list[:n]
	}
}

// Reset forgets everything and keeps the memory.
func (fs *Facts) Reset() { fs.Truncate(0) }

func (fs *Facts) hidden(i int) bool {
	for _, later := range fs.list[i+1:] {
		if later.of == fs.list[i].of && later.key == fs.list[i].key {
			return true
		}
	}
	return false
}

func (f *fact) is(name string) bool {
	n := len(f.of)
	return len(name) == n+1+len(f.key) && name[n] == '.' && name[:n] == f.of && name[n+1:] == f.key
}

// Compact returns a copy of the facts in as little memory as they need.
func (fs *Facts) Compact() *Facts {
	return &Facts{list: slices.Clone(fs.list), arena: bytes.Clone(fs.arena)}
}
