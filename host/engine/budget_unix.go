//go:build unix

package engine

import "golang.org/x/sys/unix"

// descriptorLimit raises the limit of open descriptors as far as this process may,
// and returns it.
func descriptorLimit() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	if limit.Cur < limit.Max {
		raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			return uint64(raised.Cur)
		}
	}
	return uint64(limit.Cur)
}
