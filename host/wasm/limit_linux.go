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
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: memory, Max: memory}); err != nil {
		return err
	}
	return syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: cpu, Max: cpu})
}
