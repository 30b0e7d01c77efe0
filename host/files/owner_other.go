//go:build !unix

package files

import (
	"errors"
	"io/fs"
)

const (
	noWait   = 0
	noFollow = 0
)

// Owner returns -1: who owns a file is not known here.
func Owner(fs.FileInfo) int { return -1 }

// Mine reports false: nothing is known to be safe.
func Mine(fs.FileInfo) bool { return false }

// Roots reports false.
func Roots(fs.FileInfo) bool { return false }

// NoPlace reports whether err says that a directory can hold no file of this process.
func NoPlace(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}
