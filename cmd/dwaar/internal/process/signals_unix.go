//go:build unix

package process

import (
	"os"
	"syscall"
)

// others are the signals that other servers do something for.
func others() []os.Signal { return []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2} }

// Elsewhere says what a signal of [Calls.Other] does in other servers, and what to do here.
func Elsewhere(sig os.Signal) string {
	if sig == syscall.SIGUSR1 {
		return "nothing is done: where it has other servers open their log again, this log is standard error, and whoever reads that rotates it"
	}
	return "nothing is done: where it has other servers start a new binary, here the service manager does: listen on its sockets, fd/3, and restart"
}
