package realtest

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bindToParent gives a child its own process group, and asks the kernel to end
// it when the thread that starts it ends, which is when the test binary is
// killed and its cleanups do not run.
func bindToParent(a *syscall.SysProcAttr) {
	a.Setpgid = true
	a.Pdeathsig = syscall.SIGKILL
}

// endGroup waits until the leader of a process group has ended and then ends the
// rest of the group. The leader is left unreaped: as long as its id is taken
// nobody else's group can have it.
func endGroup(leader int) {
	for {
		err := unix.Waitid(unix.P_PID, leader, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	_ = unix.Kill(-leader, unix.SIGKILL) // an error says that nobody is left
}
