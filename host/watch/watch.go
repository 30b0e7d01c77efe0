// Package watch follows files: values that are read from them, and read again when the
// files change. It looks at their directory entries every now and then, so that it works
// on every file system, and follows symbolic links, so that a link which leads elsewhere
// is a change: a Kubernetes volume replaces its files that way.
//
//	list := watch.New(func() (*table, error) { return read("list") }, "list")
//	…
//	err := watch.Poll(ctx, func() {
//		if list.Look() {
//			current.Store(list.Value())
//		}
//		if err := list.News(); err != nil {
//			log.Error("list not replaced, the old one stays", "error", err)
//		}
//	})
package watch

import (
	"context"
	"math/rand/v2"
	"os"
	"time"
)

// How often files are looked at. The jitter keeps many processes of one machine
// from looking at the same moment.
const (
	every  = 2 * time.Second
	jitter = 500 * time.Millisecond
)

// Longest is the longest time between two looks of [Poll].
const Longest = every + jitter

// Stamp tells whether files were replaced or written to, as far as their directory
// entries tell: each file itself (its inode), its size and its time. A file that does
// not exist is nil.
type Stamp []os.FileInfo

// Of looks at files.
func Of(files ...string) Stamp {
	s := make(Stamp, len(files))
	for i, name := range files {
		if info, err := os.Stat(name); err == nil {
			s[i] = info
		}
	}
	return s
}

// Same reports whether no file was changed between two looks at the same files. Nothing
// is the same as the nil Stamp, which is of no look.
func (s Stamp) Same(t Stamp) bool {
	if s == nil || t == nil || len(s) != len(t) {
		return false
	}
	for i, a := range s {
		if !SameFile(a, t[i]) {
			return false
		}
	}
	return true
}

// SameFile reports whether a file was neither replaced nor written to, and may be read
// by the same users. nil is a file that does not exist.
func SameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// Watched is a value that is read from files, and read again when they change. One
// goroutine at a time uses it. Make one with [New].
type Watched[T any] struct {
	files  []string
	read   func() (T, error)
	settle bool

	value T     // the last good one
	at    Stamp // of the files it was read from
	seen  Stamp // of the last look
	err   error // why a newer one is not used; nil: there is none
	bad   Stamp // of the files that err is about
	state fault
}

// fault is how far an error has come. Files are often replaced one after the
// other, so the first look at a broken pair says nothing yet.
type fault uint8

const (
	fresh fault = iota
	settled
	told
)

// New makes a value that read returns of the files. The first Look reads it.
func New[T any](read func() (T, error), files ...string) Watched[T] {
	return Watched[T]{files: files, read: read}
}

// Settle makes a changed file wait until two looks find it the same: whoever writes it
// may not be done, and half of it would be a value too.
func (w *Watched[T]) Settle() { w.settle = true }

// Files returns the names of the files.
func (w *Watched[T]) Files() []string { return w.files }

// Value returns the last good value.
func (w *Watched[T]) Value() T { return w.value }

// Err returns why a newer value is not used, or nil if there is none.
func (w *Watched[T]) Err() error { return w.err }

// Look reads the files if they have changed, and reports whether there is a new
// value. The old one stays if they cannot be read.
func (w *Watched[T]) Look() (changed bool) { return w.look(false) }

// LookAgain is Look, and tries files again that could not be read although they have not
// changed since: a directory on the way may have been the reason.
func (w *Watched[T]) LookAgain() (changed bool) { return w.look(true) }

func (w *Watched[T]) look(again bool) (changed bool) {
	now := Of(w.files...)
	before := w.seen
	w.seen = now
	switch {
	case now.Same(w.at):
		w.err = nil
		return false
	case w.err != nil && !again && now.Same(w.bad):
		w.state = max(w.state, settled)
		return false
	case w.settle && before != nil && !now.Same(before):
		return false
	}
	return w.renew(now)
}

// renew reads the files, which are as now says, and reports whether that gave a value.
func (w *Watched[T]) renew(now Stamp) bool {
	value, err := w.read()
	if err == nil {
		w.value, w.at, w.err = value, now, nil
		return true
	}
	if w.err == nil || !now.Same(w.bad) {
		w.state = fresh
	}
	w.err, w.bad = err, now
	return false
}

// News returns the error of files that were broken at two looks, once.
func (w *Watched[T]) News() error {
	if w.err == nil || w.state != settled {
		return nil
	}
	w.state = told
	return w.err
}

// Poll calls look every now and then until ctx is done, and returns nil.
func Poll(ctx context.Context, look func()) error {
	timer := time.NewTimer(pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			look()
			timer.Reset(pause())
		}
	}
}

func pause() time.Duration { return every + rand.N(jitter) }
