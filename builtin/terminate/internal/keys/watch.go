package keys

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

// stamp tells whether files were replaced or written to: the file itself (its
// inode), its size and its time. A file that does not exist is nil.
type stamp []os.FileInfo

func stampOf(files []string) stamp {
	s := make(stamp, len(files))
	for i, name := range files {
		if info, err := os.Stat(name); err == nil {
			s[i] = info
		}
	}
	return s
}

func (s stamp) same(t stamp) bool {
	if len(s) != len(t) {
		return false
	}
	for i, a := range s {
		b := t[i]
		if a == nil || b == nil {
			if a != b {
				return false
			}
			continue
		}
		if !sameFile(a, b) {
			return false
		}
	}
	return true
}

// sameFile reports whether a file was neither replaced nor written to, and may be read
// by the same users.
func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// watched is a value that is read from files, and read again when they change.
// One goroutine at a time looks.
type watched[T any] struct {
	files []string
	read  func() (T, error)

	value T     // the last good one
	at    stamp // of the files it was read from
	err   error // why a newer one is not used; nil: there is none
	bad   stamp // of the files that err is about
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

// look reads the files if they have changed, and says whether there is a new
// value. The old one stays if they cannot be read. Files that could not be read are
// tried again only if they have changed, or with again: a directory on the way may have
// been the reason.
func (w *watched[T]) look(again bool) (changed bool) {
	now := stampOf(w.files)
	switch {
	case w.at != nil && now.same(w.at):
		w.err = nil
		return false
	case w.err != nil && !again && now.same(w.bad):
		w.state = max(w.state, settled)
		return false
	}
	value, err := w.read()
	if err != nil {
		if w.err == nil || !now.same(w.bad) {
			w.state = fresh
		}
		w.err, w.bad = err, now
		return false
	}
	w.value, w.at, w.err = value, now, nil
	return true
}

// news returns the error of files that were broken at two looks, once.
func (w *watched[T]) news() error {
	if w.err == nil || w.state != settled {
		return nil
	}
	w.state = told
	return w.err
}

// poll calls look every now and then until ctx is done.
func poll(ctx context.Context, look func()) error {
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
