//go:build unix

package dwaarfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dwaar.dev/dwaar/host/dwaarfile"
	"github.com/google/go-cmp/cmp"
)

// site is a directory with a configuration in it, and things beside it that no
// import may reach.
func site(t *testing.T) dwaarfile.Options {
	t.Helper()
	outer := t.TempDir()
	dir := filepath.Join(outer, "etc")
	for _, d := range []string{dir, filepath.Join(dir, "conf.d"), filepath.Join(dir, "conf.d", "sub")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"secret": "close\n", "etc/handlers": "tls\necho\n", "etc/conf.d/b.conf": "vars b 1\n",
		"etc/conf.d/a.conf": "vars a 1\nimport ../handlers\n", "etc/conf.d/.hidden.conf": "vars hidden 1\n",
	} {
		if err := os.WriteFile(filepath.Join(outer, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"etc/out": "../secret", "etc/abs": filepath.Join(outer, "secret"), "etc/in": "handlers"} {
		if err := os.Symlink(target, filepath.Join(outer, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	var o dwaarfile.Options
	o.Open, o.Glob = dwaarfile.Dir(root)
	return o
}

func importing(t *testing.T, what string) (string, error) {
	t.Helper()
	src := "layer4 {\n\t:1 {\n\t\troute {\n\t\t\timport " + what + "\n\t\t}\n\t}\n}\n"
	tree, err := dwaarfile.Parse("/srv/etc/Dwaarfile", []byte(src), grammar(), site(t))
	if err != nil {
		return "", err
	}
	return dump(tree[0].Block[0].Block[0].Block), nil
}

func TestFilesBelowTheDirectoryAreImported(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		"handlers": "tls  /srv/etc/handlers:1:1\necho  /srv/etc/handlers:2:1\n",
		"in":       "tls  /srv/etc/in:1:1\necho  /srv/etc/in:2:1\n",
		"conf.d/*": "vars [a] [1]  /srv/etc/conf.d/a.conf:1:1\ntls  /srv/etc/handlers:1:1\necho  /srv/etc/handlers:2:1\n" +
			"vars [b] [1]  /srv/etc/conf.d/b.conf:1:1\n",
		"conf.d/.*":    "vars [hidden] [1]  /srv/etc/conf.d/.hidden.conf:1:1\n",
		"none/*":       "",
		"conf.d/../in": "tls  /srv/etc/in:1:1\necho  /srv/etc/in:2:1\n",
	} {
		got, err := importing(t, what)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("import %s: %v (-want +got)\n%s", what, err, diff)
		}
	}
}

func TestNothingOutsideTheDirectoryIsImported(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		"../secret":  "is not below the directory",
		"out":        "path escapes from parent",
		"abs":        "path escapes from parent",
		"o?t":        "path escapes from parent",
		"fifo":       "not a regular file",
		"conf.d/sub": "not a regular file",
		"missing":    "no such file",
	} {
		got, err := importing(t, what)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("import %s: got %q, error %v, want %q", what, got, err, want)
		}
	}
}
