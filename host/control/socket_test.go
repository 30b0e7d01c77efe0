package control_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/control"
)

func TestTheSocketIsItsOwnersOnlyAndIsGoneAfterwards(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	s, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fs.FileMode(0o600)|fs.ModeSocket, info.Mode()); diff != "" {
		t.Errorf("mode (-want +got):\n%s", diff)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestASocketThatADeadProgramLeftIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestASocketThatSomebodyAnswersOnIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	other, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := control.Listen(path); !errors.Is(err, control.ErrTaken) {
		t.Errorf("listening: %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the other one is gone: %v", err)
	}
	conn.Close()
}

func TestTwoServersDoNotFight(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	type end struct {
		s   *control.Socket
		err error
	}
	ends := make(chan end)
	const many = 8
	for range many {
		go func() {
			s, err := control.Listen(path)
			ends <- end{s, err}
		}()
	}
	var won []*control.Socket
	for range many {
		e := <-ends
		switch {
		case e.err == nil:
			won = append(won, e.s)
		case !errors.Is(e.err, control.ErrTaken):
			t.Error(e.err)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d of %d have the socket", len(won), many)
	}
	if err := won[0].Close(); err != nil {
		t.Error(err)
	}
}

func TestAFileThatIsNoSocketIsNeverRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := control.Listen(path)
	if err == nil || !strings.Contains(err.Error(), "no socket is there") {
		t.Errorf("listening: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("it holds %q, %v", text, err)
	}
}

func TestTheFirstUsablePathIsTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	s, err := control.ListenFirst([]string{filepath.Join(dir, "missing", "s"), good, filepath.Join(dir, "later")})
	if err != nil {
		t.Fatal(err)
	}
	if s.Path() != good {
		t.Errorf("it is at %s", s.Path())
	}
	if _, err := control.ListenFirst([]string{good, filepath.Join(dir, "later")}); !errors.Is(err, control.ErrTaken) {
		t.Errorf("a second one, which must not step aside: %v", err)
	}
	if got := control.Find([]string{filepath.Join(dir, "missing", "s"), good}); got != good {
		t.Errorf("a client looks at %s", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAClientLooksForASocketAndTakesNoOtherFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain, socket := filepath.Join(dir, "plain"), filepath.Join(dir, "socket")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := control.Find([]string{filepath.Join(dir, "absent"), plain, dir, socket}); got != socket {
		t.Errorf("it looks at %s", got)
	}
	if got := control.Find([]string{plain, filepath.Join(dir, "absent")}); got != plain {
		t.Errorf("where there is none, it looks at %s, not at the first place", got)
	}
}

// A socket of datagrams refuses a stream for another reason than that nobody is there.
func TestASocketThatFailsForAnotherReasonIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if s, err := control.Listen(path); !errors.Is(err, syscall.EPROTOTYPE) {
		t.Errorf("listening: %v, %v", s, err)
	}
	if _, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Errorf("it was removed: %v", err)
	}
}

func TestALockThatIsALinkIsNotFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, target := filepath.Join(dir, "s"), filepath.Join(dir, "target")
	if err := os.Symlink(target, path+".lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(path); err == nil || !strings.Contains(err.Error(), "it is a link") {
		t.Errorf("listening: %v", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the link leads to was made: %v", err)
	}
}

func TestWhereNoDirectoryCanHoldASocketThatIsSaidWithTheReasons(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := control.ListenFirst([]string{filepath.Join(dir, "absent", "s"), filepath.Join(plain, "s")})
	if !errors.Is(err, control.ErrNoPlace) || !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("listening: %v", err)
	}
}

func TestPathsAreThoseOfTheServiceTheSystemAndTheUser(t *testing.T) {
	t.Parallel()
	env := map[string]string{"RUNTIME_DIRECTORY": "/run/dwaar:/run/other", "XDG_RUNTIME_DIR": "/run/user/1000"}
	got := control.Paths(func(name string) string { return env[name] })
	want := []string{"/run/dwaar/dwaar.sock", "/run/dwaar.sock", "/run/user/1000/dwaar.sock"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
