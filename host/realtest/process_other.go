//go:build !linux

package realtest

import "syscall"

// bindToParent gives a child its own process group, so that what a terminal
// sends to the tests does not reach it.
func bindToParent(a *syscall.SysProcAttr) { a.Setpgid = true }

// endGroup does nothing where a process cannot be waited for without reaping it.
func endGroup(int) {}
