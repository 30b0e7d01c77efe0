package realtest

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// As makes cmd run as the named user if the test runs as root, for programs that
// refuse to be root (PostgreSQL). Anybody else runs it as himself. Call it before
// Start.
func As(t testing.TB, name string, cmd *exec.Cmd) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	uid, gid := lookupUser(t, name)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// DirFor returns an empty directory that the named user owns if the test runs as
// root, its parents open to him; t.TempDir is open to the owner of the test only.
// It is removed when the test ends.
func DirFor(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dwaar-test-")
	if err != nil {
		t.Fatalf("making a directory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing %s: %v", dir, err)
		}
	})
	if os.Geteuid() == 0 {
		uid, gid := lookupUser(t, name)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatalf("giving %s to %s: %v", dir, name, err)
		}
	}
	return dir
}

func lookupUser(t testing.TB, name string) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("running as root and looking for somebody else to be: %v", err)
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		t.Fatalf("reading the id of %s: %v", name, err)
	}
	if gid, err = strconv.Atoi(u.Gid); err != nil {
		t.Fatalf("reading the group of %s: %v", name, err)
	}
	return uid, gid
}
