package wasm

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// limit bounds the processor time of this process, in seconds, and how much memory it
// may have beside what it has, in bytes.
func limit(cpu, memory uint64) error {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	size, _, _ := bytes.Cut(statm, []byte{' '})
	pages, err := strconv.ParseUint(string(size), 10, 64)
	if err != nil {
		return err
	}
	memory += pages * uint64(os.Getpagesize())
	if err := lower(syscall.RLIMIT_AS, memory); err != nil {
		return err
	}
	return lower(syscall.RLIMIT_CPU, cpu)
}

// lower sets a limit that is not above the one there is.
func lower(resource int, most uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(resource, &now); err != nil {
		return err
	}
	most = min(most, now.Max)
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: most, Max: most})
}
