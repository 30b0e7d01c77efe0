package box

import "syscall"

// setLimit sets the limit of descriptors. It is syscall's and not unix's, because Go
// gives children the limit it had before it raised it by itself, unless it saw the
// program set it.
func setLimit(current, most uint64) error {
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: current, Max: most})
}
