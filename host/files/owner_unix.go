//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// The flags of open(2) that noWait and noFollow stand for.
const (
	noWait   = syscall.O_NONBLOCK
	noFollow = syscall.O_NOFOLLOW
)

// Owner returns the number of the user that a file belongs to; -1 if that is unknown.
func Owner(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}

// Mine reports whether a file belongs to the user of this process.
func Mine(info fs.FileInfo) bool { return Owner(info) == os.Geteuid() }

// Roots reports whether a file belongs to root.
func Roots(info fs.FileInfo) bool { return Owner(info) == 0 }

// NoPlace reports whether err says that a directory can hold no file of this
// process: the directory is not there, is another user's, is on a file system that is
// read-only or full. Another directory may do.
func NoPlace(err error) bool {
	for _, reason := range [...]error{
		fs.ErrNotExist, fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.ENOSPC, syscall.EDQUOT,
	} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}
