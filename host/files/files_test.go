//go:build unix

package files_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dwaar.dev/dwaar/host/files"
)

// put writes a file into a new directory.
func put(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// specials are a name of each kind that is no regular file. Nobody writes to the FIFO.
func specials(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	link := filepath.Join(dir, "link")
	if err := os.Symlink("fifo", link); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"a FIFO": fifo, "a socket": socket, "a directory": dir, "a device": os.DevNull, "is a FIFO": link,
	}
}

func TestWhatIsNoRegularFileIsRefusedAndNotWaitedFor(t *testing.T) {
	t.Parallel()
	for kind, name := range specials(t) {
		for how, read := range map[string]func(string) ([]byte, error){
			"Read":    func(name string) ([]byte, error) { return files.Read(name, 10) },
			"ReadPEM": files.ReadPEM,
			"OpenIn": func(name string) ([]byte, error) {
				root, err := os.OpenRoot(filepath.Dir(name))
				if err != nil {
					t.Fatal(err)
				}
				defer root.Close()
				_, err = files.OpenIn(root, filepath.Base(name))
				return nil, err
			},
		} {
			_, err := read(name)
			if !errors.Is(err, files.ErrNotRegular) || !strings.Contains(err.Error(), kind) {
				t.Errorf("%s of %s: %v", how, kind, err)
			}
		}
	}
}

func TestAFileIsReadUpToItsLimit(t *testing.T) {
	t.Parallel()
	name := put(t, "12345", 0o600)
	if text, err := files.Read(name, 5); string(text) != "12345" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := files.Read(name, 4); !errors.Is(err, files.ErrTooLong) || !strings.Contains(err.Error(), name) {
		t.Errorf("a byte too many: %v", err)
	}
	if _, err := files.Read(name+".absent", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestByteOrderMarksAreNoPartOfPEM(t *testing.T) {
	t.Parallel()
	const mark = "\ufeff"
	text, err := files.ReadPEM(put(t, mark+"-----BEGIN A-----\n"+mark+"-----BEGIN B-----\n", 0o600))
	if got := string(text); got != "-----BEGIN A-----\n-----BEGIN B-----\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := files.ReadPEM(put(t, "\xff\xfe-\x00", 0o600)); err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("UTF-16: %v", err)
	}
	if _, err := files.ReadPEM(put(t, strings.Repeat("x", 1<<20+1), 0o600)); err == nil || !strings.Contains(err.Error(), "can be no certificate") {
		t.Errorf("a long file: %v", err)
	}
}

func TestALockIsARegularFileAndNoLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "lock")
	for range 2 { // made, and found
		f, err := files.Lock(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	target := filepath.Join(dir, "target")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Lock(link); err == nil || !strings.Contains(err.Error(), "it is a link") {
		t.Errorf("a link: %v", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the link leads to was made: %v", err)
	}
	for kind, name := range specials(t) {
		if f, err := files.Lock(name); err == nil {
			f.Close()
			t.Errorf("%s is a lock", kind)
		}
	}
}

func TestWhoMayReadAFile(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode]string{
		0o600: "", 0o400: "", 0o711: "", 0o640: "its group", 0o604: "everybody", 0o644: "everybody",
	} {
		name := put(t, "", mode)
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := files.Readers(name, info); got != want {
			t.Errorf("%v: %q, want %q", mode, got, want)
		}
		if !files.Mine(info) || files.Owner(info) != os.Geteuid() {
			t.Errorf("it belongs to %d", files.Owner(info))
		}
	}
}

func TestADirectoryThatCanHoldNothingIsNoPlace(t *testing.T) {
	t.Parallel()
	for _, reason := range []error{
		syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ENOTDIR, syscall.ENOSPC, syscall.EDQUOT,
	} {
		if err := (&fs.PathError{Op: "open", Path: "x", Err: reason}); !files.NoPlace(err) {
			t.Errorf("%v is no reason", err)
		}
	}
	for _, other := range []error{nil, syscall.EADDRINUSE, syscall.EMFILE, errors.New("other")} {
		if files.NoPlace(other) {
			t.Errorf("%v is a reason", other)
		}
	}
}
