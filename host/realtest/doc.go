// Package realtest lets tests talk to real programs: it finds them, runs them no
// longer than the test lives, and shows what they printed when the test fails.
//
//	func TestSomething(t *testing.T) {
//		addr := realtest.FreeAddr(t)
//		cmd := exec.Command(realtest.Look(t, "openssl"), "s_server", "-accept", addr.String(), …)
//		server := realtest.Start(t, cmd)
//		server.WaitFor(t, "ACCEPT")
//		…
//	}
//
// Programs are Debian packages named in .ci/packages, which `make test`
// installs. Nothing here sleeps: a server is ready when it says so or accepts.
package realtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Look returns the path of a program. Where it does not exist the test fails if
// the environment variable CI is set, and is skipped otherwise, with the command
// that helps. It knows the directories where Debian keeps daemons that are not
// in everybody's PATH.
func Look(t testing.TB, name string) string {
	t.Helper()
	path, err := look(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, and in CI no test may skip: add its package to .ci/packages, run make test", name)
	}
	t.Skipf("%s is not installed: run make test, it installs what .ci/packages lists", name)
	return ""
}

func look(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	// The newest PostgreSQL last, as 9.6 and 15 sort by length first.
	clusters, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // only a bad pattern is an error
	slices.SortFunc(clusters, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		if a > b {
			return -1
		}
		return 1
	})
	for _, dir := range append([]string{"/usr/sbin", "/sbin", "/usr/local/sbin"}, clusters...) {
		if path, e := exec.LookPath(filepath.Join(dir, name)); e == nil {
			return path, nil
		}
	}
	return "", err
}
