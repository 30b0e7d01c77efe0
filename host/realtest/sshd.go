package realtest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// SSHD is an OpenSSH server of one test. Its one account is whoever runs the
// tests, by a key made for the occasion.
type SSHD struct {
	*Process
	Addr netip.AddrPort // on 127.0.0.1

	user, key, known string
}

// StartSSHD starts an OpenSSH server and returns when it listens.
func StartSSHD(t testing.TB) *SSHD {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatalf("asking who runs the tests: %v", err)
	}
	dir := t.TempDir()
	s := &SSHD{Addr: FreeAddr(t), user: me.Username, key: filepath.Join(dir, "client"), known: filepath.Join(dir, "known_hosts")}
	host := filepath.Join(dir, "host")
	for _, name := range []string{host, s.key} {
		cmd := exec.Command(Look(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", name)
		if out, err := Run(t, cmd); err != nil {
			t.Fatalf("making a key: %v: %s", err, out)
		}
	}
	hostKey, err := os.ReadFile(host + ".pub")
	if err != nil {
		t.Fatalf("reading the key of the host: %v", err)
	}
	// By its alias, so that the client knows it at whatever address a proxy has.
	write(t, s.known, "dwaar-test "+string(hostKey), 0o600)
	config := filepath.Join(dir, "sshd_config")
	write(t, config, s.config(host), 0o600)

	if os.Geteuid() == 0 { // where sshd confines itself; without an init system nobody made it
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatalf("making the directory of sshd: %v", err)
		}
	}
	s.Process = Start(t, exec.Command(Look(t, "sshd"), "-D", "-e", "-f", config))
	s.WaitFor(t, "Server listening on")
	return s
}

func (s *SSHD) config(hostKey string) string {
	return strings.Join([]string{
		fmt.Sprintf("ListenAddress %s", s.Addr),
		"HostKey " + hostKey,
		"AuthorizedKeysFile " + s.key + ".pub",
		"PermitRootLogin prohibit-password",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"UsePAM no",
		"StrictModes no", // the keys lie below a directory that everybody may write
		"PidFile none",
		"MaxStartups 1000",
		"UseDNS no",
		"",
	}, "\n")
}

// Command is an ssh client that runs a command on the server, which it reaches
// at addr: the server's own address, or that of a proxy in front of it.
func (s *SSHD) Command(t testing.TB, addr netip.AddrPort, remote ...string) *exec.Cmd {
	t.Helper()
	args := []string{
		"-F", "none", "-i", s.key, "-p", fmt.Sprint(addr.Port()), "-l", s.user,
		"-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "HostKeyAlias=dwaar-test", "-o", "UserKnownHostsFile=" + s.known, "-o", "GlobalKnownHostsFile=none",
		"-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20", addr.Addr().String(),
	}
	return exec.Command(Look(t, "ssh"), append(args, remote...)...)
}

func write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatalf("writing %s: %v", filepath.Base(name), err)
	}
}
