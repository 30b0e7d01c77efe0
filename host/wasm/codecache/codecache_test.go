package codecache

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// key is a key of a number.
func key(n byte) Key { return Key{n} }

// opened is a directory in a new one.
func opened(t *testing.T, limit int64) (d *Dir, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a", "b")
	d, err := Open(path, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, path
}

func TestCodeComesBackAsItWasPut(t *testing.T) {
	t.Parallel()
	d, path := opened(t, 1<<20)
	for _, code := range [][]byte{[]byte("first"), {}, bytes.Repeat([]byte("x"), 100_000)} {
		if err := d.Put(key(1), code); err != nil {
			t.Fatal(err)
		}
		got, err := d.Get(key(1))
		if err != nil || !bytes.Equal(got, code) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if _, err := d.Get(key(2)); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if err := errors.Join(d.Remove(key(1)), d.Remove(key(1))); err != nil {
		t.Error(err)
	}
	if _, err := d.Get(key(1)); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Every bit of an entry counts, and every byte that is missing or too many.
func TestNoDamageIsOverlooked(t *testing.T) {
	t.Parallel()
	entry := key(1).seal([]byte("code"))
	if code, ok := key(1).open(entry); !ok || string(code) != "code" {
		t.Fatal("the entry is not whole")
	}
	if _, ok := key(2).open(entry); ok {
		t.Error("it is that of another key")
	}
	for i := range entry {
		changed := bytes.Clone(entry)
		for bit := range 8 {
			changed[i] ^= 1 << bit
			if _, ok := key(1).open(changed); ok {
				t.Errorf("bit %d of byte %d", bit, i)
			}
			changed[i] ^= 1 << bit
		}
		if _, ok := key(1).open(entry[:i]); ok {
			t.Errorf("%d bytes are taken", i)
		}
	}
	if _, ok := key(1).open(append(entry, 0)); ok {
		t.Error("a byte too many is taken")
	}
}

func TestTheLongestUnusedGoFirst(t *testing.T) {
	t.Parallel()
	code := make([]byte, 1000)
	d, path := opened(t, 3*int64(len(code)+overhead))
	for n := range byte(3) {
		if err := d.Put(key(n), code); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(int(n)-10) * time.Minute)
		if err := os.Chtimes(filepath.Join(path, key(n).file()), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Get(key(0)); err != nil { // now it is the youngest
		t.Fatal(err)
	}
	if err := d.Put(key(3), code); err != nil {
		t.Fatal(err)
	}
	var kept []byte
	for n := range byte(4) {
		if _, err := d.Get(key(n)); err == nil {
			kept = append(kept, n)
		}
	}
	if !bytes.Equal(kept, []byte{0, 2, 3}) {
		t.Errorf("it keeps %v", kept)
	}
	if err := d.Put(key(4), make([]byte, 5000)); err == nil || !strings.Contains(err.Error(), "all of the cache may have") {
		t.Errorf("what is larger than the cache: %v", err)
	}
}

func TestWhatNobodyFinishedIsRemoved(t *testing.T) {
	t.Parallel()
	d, path := opened(t, 1<<20)
	old, fresh := filepath.Join(path, "a.code.x.part"), filepath.Join(path, "b.code.x.part")
	for _, file := range []string{old, fresh} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Now().Add(-2 * abandoned)
	if err := errors.Join(os.Chtimes(old, at, at), d.Put(key(1), nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("it is still there")
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error("what somebody writes is gone")
	}
}

func TestDirectoriesThatOthersCanChangeAreRefused(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	make := func(mode os.FileMode, names ...string) string {
		path := filepath.Join(append([]string{top}, names...)...)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	make(0o777, "open")
	make(0o777|os.ModeSticky, "sticky")
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(top, "link")
	if err := os.Symlink("open", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		make(0o755, "readable"):          "chmod 700",
		make(0o700, "open", "in"):        "chmod go-w",
		make(0o700, "sticky", "in"):      "",
		filepath.Join(link, "in"):        "chmod go-w",
		filepath.Join(file, "in"):        "not a directory",
		filepath.Join(top, "new", "one"): "",
	} {
		d, err := Open(path, 1<<20)
		if err == nil {
			d.Close()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestManyMayUseADirectoryAtOnce(t *testing.T) {
	t.Parallel()
	_, path := opened(t, 1<<20)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			d, err := Open(path, 20_000) // so that they remove each other's
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			for i := range 50 {
				k := key(byte(i % 10))
				want := bytes.Repeat([]byte(fmt.Sprint(i%10)), 3000)
				if err := d.Put(k, want); err != nil {
					t.Errorf("%d: %v", n, err)
				}
				if got, err := d.Get(k); err != nil && !errors.Is(err, ErrMissing) || err == nil && !bytes.Equal(got, want) {
					t.Errorf("%d: %d bytes, %v", n, len(got), err)
				}
			}
		})
	}
	all.Wait()
}

// Whatever a file holds, it is the code that was put under its key, or nothing.
func FuzzEntry(f *testing.F) {
	f.Add(key(1).seal([]byte("code")), 10)
	f.Add([]byte(magic), 0)
	f.Fuzz(func(t *testing.T, entry []byte, cut int) {
		code, ok := key(1).open(entry)
		if ok && !bytes.Equal(key(1).seal(code), entry) {
			t.Fatal("an entry that nobody sealed")
		}
		if at := min(max(cut, 0), len(entry)); ok && at < len(entry) {
			if _, ok := key(1).open(entry[:at]); ok {
				t.Fatal("a part of an entry")
			}
		}
	})
}
