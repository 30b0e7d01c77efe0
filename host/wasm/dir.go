package wasm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"

	"dwaar.dev/dwaar/host/files"
)

// dirPrefix is how the names of directories for compiled modules begin.
const dirPrefix = "dwaar-wasm-"

// makeDir makes the directory that the compiler puts code into. What is found there
// is run: nobody else can write to it, and it is never made again under its name.
func (h *Host) makeDir() error {
	sweepDirs()
	dir, lock, err := newDir()
	if err != nil {
		return fmt.Errorf("making a directory for compiled modules: %w: set TMPDIR to one that can be written to", err)
	}
	h.cache, err = wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return errors.Join(fmt.Errorf("opening the directory for compiled modules: %w", err), os.RemoveAll(dir), unlock(lock))
	}
	h.dir, h.lock = dir, lock
	return nil
}

// newDir makes a directory and locks it for as long as this process lives. A process that
// sweeps at this moment may find it unlocked and remove it: then another one is made. Where
// the file system has no locks, lock is nil, and nobody sweeps.
func newDir() (dir string, lock *os.File, err error) {
	const tries = 8
	for range tries {
		if dir, err = tempDir(places()...); err != nil {
			return "", nil, err
		}
		lock, err = lockDir(dir)
		if !errors.Is(err, errNotOurs) {
			return dir, lock, nil
		}
	}
	return "", nil, fmt.Errorf("keeping one: %w", err)
}

// places are where the directory may be: all but the last are often read-only in a
// container.
func places() []string { return []string{os.TempDir(), "/run", "/dev/shm"} }

// tempDir makes a directory for this user in the first of the places that can hold it.
// The error is that of the first.
func tempDir(places ...string) (string, error) {
	var first error
	for _, place := range places {
		dir, err := os.MkdirTemp(place, dirPrefix)
		if err == nil || !files.NoPlace(err) {
			return dir, err
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

// errNotOurs is the error of a directory that another process has locked or removed.
var errNotOurs = errors.New("another process has locked or removed it")

// sweepDirs removes the directories of processes that were killed and could not do it: those
// of this user that nobody has locked.
func sweepDirs() {
	var dirs []string
	for _, place := range places() {
		found, _ := filepath.Glob(filepath.Join(place, dirPrefix+"*")) // the pattern is well-formed
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() || !ours(info) {
			continue
		}
		if lock, err := lockDir(dir); err == nil {
			_ = os.RemoveAll(dir) // the next one to sweep tries again
			_ = unlock(lock)
		}
	}
}

// unlock closes what lockDir has returned, if anything.
func unlock(lock *os.File) error {
	if lock == nil {
		return nil
	}
	return lock.Close()
}

// abandon removes the directory of a process that is gone. Whatever is not called like
// one is left alone: somebody has started the compiler by hand.
func abandon(dir string) {
	if strings.HasPrefix(filepath.Base(dir), dirPrefix) {
		_ = os.RemoveAll(dir) // the next program to start tries again
	}
}
