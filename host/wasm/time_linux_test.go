package wasm

import (
	"syscall"
	"time"
	"unsafe"
)

// threadTime is how long this thread has had a processor: what others take of the
// machine is not in it.
func threadTime() time.Duration {
	const clockThread = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockThread, uintptr(unsafe.Pointer(&t)), 0) // fails for unknown clocks only
	return time.Duration(t.Nano())
}
