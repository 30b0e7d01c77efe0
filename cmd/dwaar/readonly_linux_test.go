package main

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
)

// readOnly makes every file system read-only that a program may want to write to, with
// nothing of it left outside the shell's namespace, and becomes a command.
const readOnly = `set -e
mount --make-rprivate /
for dir in /run /tmp /var /var/tmp /dev/shm "$HOME"; do
	mount --bind "$dir" "$dir"
	mount -o remount,bind,ro "$dir"
done
mount -o remount,bind,ro /
cd "$DIR"
exec "$@"`

func TestServeGoesOnWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	if err := exec.Command("unshare", "--mount", "--map-root-user", "mount", "--make-rprivate", "/").Run(); err != nil {
		t.Skipf("this system allows no mounts of one's own: %v", err)
	}
	addr := realtest.FreeAddr(t).String()
	dir := t.TempDir()
	config := "layer4 {\n" + addr + " {\n@s ssh\nroute @s {\nclose\n}\nroute {\ntls\necho\n}\n}\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "Dwaarfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--map-root-user", "sh", "-c", readOnly, "sh", "dwaar", "serve", "--log-format", "text")
	cmd.Env = append(os.Environ(), "DIR="+dir, "HOME="+t.TempDir(), "TMPDIR=/tmp", "GORACE=atexit_sleep_ms=0",
		"RUNTIME_DIRECTORY=", "STATE_DIRECTORY=", "CACHE_DIRECTORY=", "XDG_RUNTIME_DIR=", "XDG_DATA_HOME=", "XDG_CACHE_HOME=",
		"DWAAR_CONFIG=", "DWAAR_CONTROL=", "DWAAR_CACHE=")
	server := realtest.Start(t, cmd)
	server.WaitFor(t, "msg=serving", "internal CA not written") // which is made beside the load
	dialer := &net.Dialer{Deadline: realtest.Deadline(t)}
	c, err := tls.DialWithDialer(dialer, "tcp", addr, &tls.Config{InsecureSkipVerify: true}) // what it serves is the matter, not who signed it
	if err != nil {
		t.Fatalf("what it made in memory does not serve: %v", err)
	}
	defer c.Close()
	if log := server.Output(); !strings.Contains(log, "there is no control socket: name one with --control PATH") ||
		!strings.Contains(log, "read-only file system") {
		t.Errorf("it does not say that it has no control socket:\n%s", log)
	}
}
