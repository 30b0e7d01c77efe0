//go:build unix

package codecache

import (
	"io/fs"
	"os"
	"syscall"
)

// ours says whether a file belongs to the user of this process, roots whether it is
// root's.
func ours(info fs.FileInfo) bool { return owner(info) == os.Geteuid() }

func roots(info fs.FileInfo) bool { return owner(info) == 0 }

func owner(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}
