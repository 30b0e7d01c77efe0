package watch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"dwaar.dev/dwaar/host/watch"
)

// put replaces a file as careful programs do: under another name, then renamed.
func put(t *testing.T, name, text string) {
	t.Helper()
	fresh := name + ".new"
	if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, name); err != nil {
		t.Fatal(err)
	}
}

// number makes a value of a file that holds a number.
func number(name string) watch.Watched[int] {
	return watch.New(func() (int, error) {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(string(text))
	}, name)
}

func TestANewVersionIsReadAndABrokenOneIsToldOnce(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	put(t, name, "1")
	w := number(name)
	for _, step := range []struct {
		text    string // what is written before the look; "": nothing
		changed bool
		value   int
		err     bool
		news    bool
	}{
		{"", true, 1, false, false},
		{"", false, 1, false, false},
		{"2", true, 2, false, false},
		{"x", false, 2, true, false},
		{"", false, 2, true, true},
		{"", false, 2, true, false},
		{"y", false, 2, true, false},
		{"", false, 2, true, true},
		{"3", true, 3, false, false},
		{"far too long a text", false, 3, true, false},
		{"4", true, 4, false, false},
	} {
		if step.text != "" {
			put(t, name, step.text)
		}
		changed := w.Look()
		news := w.News()
		if changed != step.changed || w.Value() != step.value || (w.Err() != nil) != step.err || (news != nil) != step.news {
			t.Errorf("after %+v: changed %v, value %d, error %v, news %v", step, changed, w.Value(), w.Err(), news)
		}
	}
}

func TestAFileThatIsGoneKeepsTheOldValue(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	put(t, name, "1")
	w := number(name)
	w.Look()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if w.Look() || w.Value() != 1 || !errors.Is(w.Err(), os.ErrNotExist) {
		t.Errorf("value %d, error %v", w.Value(), w.Err())
	}
	w.Look()
	if err := w.News(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("news %v", err)
	}
}

// TestALinkThatLeadsElsewhereIsAChange swaps a directory as Kubernetes does: file is a
// link to ..data/file, and ..data a link to a directory with a date for a name.
func TestALinkThatLeadsElsewhereIsAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, day := range []string{"..monday", "..tuesday"} {
		if err := os.Mkdir(filepath.Join(dir, day), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, day, "file"), strconv.Itoa(i+1))
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..monday", "..data")
	link(filepath.Join("..data", "file"), "file")
	w := number(filepath.Join(dir, "file"))
	if w.Look(); w.Value() != 1 {
		t.Fatalf("value %d", w.Value())
	}
	link("..tuesday", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if !w.Look() || w.Value() != 2 {
		t.Errorf("value %d, error %v", w.Value(), w.Err())
	}
}

func TestWhatSettlesWaitsForTwoEqualLooks(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	put(t, name, "1")
	w := number(name)
	w.Settle()
	if !w.Look() || w.Value() != 1 {
		t.Fatalf("the first look: value %d, error %v", w.Value(), w.Err())
	}
	for _, text := range []string{"2", "23", "234"} { // somebody writes slowly
		put(t, name, text)
		if w.Look() {
			t.Errorf("half a text was read: %d", w.Value())
		}
	}
	if !w.Look() || w.Value() != 234 {
		t.Errorf("value %d, error %v", w.Value(), w.Err())
	}
}

func TestTheNilStampIsLikeNoOther(t *testing.T) {
	t.Parallel()
	var none watch.Stamp
	name := filepath.Join(t.TempDir(), "missing")
	if none.Same(none) || none.Same(watch.Of(name)) || watch.Of(name).Same(none) {
		t.Error("a look that never was is the same as one")
	}
	if !watch.Of(name).Same(watch.Of(name)) {
		t.Error("a file that is missing is another one at the second look")
	}
}

func TestPollLooksUntilItIsToldToStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		looks, done := 0, make(chan error)
		go func() { done <- watch.Poll(ctx, func() { looks++ }) }()
		time.Sleep(10*watch.Longest + time.Millisecond)
		cancel()
		if err := <-done; err != nil || looks < 10 {
			t.Errorf("%d looks in the time of ten, error %v", looks, err)
		}
	})
}

// A directory on the way was closed and is open again: the file itself has not changed.
func TestAFileThatCouldNotBeReadIsReadByWhoeverLooksAgain(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	put(t, name, "1")
	readable := false
	w := watch.New(func() (int, error) {
		if !readable {
			return 0, os.ErrPermission
		}
		return 1, nil
	}, name)
	w.LookAgain()
	readable = true
	if w.Look() || !w.LookAgain() || w.Err() != nil || w.Value() != 1 {
		t.Errorf("it has %d, %v", w.Value(), w.Err())
	}
}
