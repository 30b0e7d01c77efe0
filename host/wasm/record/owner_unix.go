//go:build unix

package record

import (
	"os"
	"syscall"
)

// notFollowing makes open refuse a link, and not wait for whoever reads a pipe.
const notFollowing = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// ours reports whether a file belongs to the user of this process.
func ours(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}
