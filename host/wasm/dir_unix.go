//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package wasm

import (
	"errors"
	"os"
	"syscall"
)

// lockDir takes a directory for this process until the file is closed. The error is
// errNotOurs if another process has it or has removed it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNotOurs
	}
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || err == nil && !named(f, dir) {
		err = errNotOurs
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// named reports whether an open file is still what its name leads to.
func named(f *os.File, name string) bool {
	opened, err := f.Stat()
	now, gone := os.Lstat(name)
	return err == nil && gone == nil && os.SameFile(opened, now)
}

// ours reports whether a file belongs to the user of this process.
func ours(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}
