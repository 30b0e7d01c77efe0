package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host/files"
)

// ErrTaken is why [Listen] fails where another dwaar has the socket.
var ErrTaken = errors.New("another dwaar answers there")

// socketName is the name of the socket in whatever directory it is.
const socketName = "dwaar.sock"

// probeTimeout bounds the question whether anybody answers on a socket. Connecting
// to a Unix socket waits only if its owner has stopped accepting.
const probeTimeout = 2 * time.Second

// Paths returns where the control socket may be, the best place first: the
// directory systemd made for the service, /run, the user's own.
func Paths(getenv func(string) string) []string {
	var paths []string
	if dir, _, _ := strings.Cut(getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		paths = append(paths, filepath.Join(dir, socketName))
	}
	paths = append(paths, filepath.Join("/run", socketName))
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		paths = append(paths, filepath.Join(dir, socketName))
	}
	return paths
}

// Find returns the first of the paths where there is a socket, or the first path.
func Find(paths []string) string {
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && info.Mode()&fs.ModeSocket != 0 {
			return p
		}
	}
	return paths[0]
}

// Socket is a control socket that was made by [Listen].
type Socket struct {
	*net.UnixListener
	path string
	lock *os.File
}

// Path returns where the socket is.
func (s *Socket) Path() string { return s.path }

// Close removes the socket. The lock beside it stays, unlocked: to remove it would
// let two programs hold two files of one name.
func (s *Socket) Close() error {
	return errors.Join(s.UnixListener.Close(), s.lock.Close())
}

// ErrNoPlace is why [ListenFirst] fails where none of the directories can hold a socket:
// they are not there, are another user's, or are read-only. A program can do without.
var ErrNoPlace = errors.New("no usual directory can hold the control socket")

// ListenFirst makes the socket at the first path whose directory can hold it. The
// error is ErrNoPlace with the reason of each path, or the first one that has another
// reason.
func ListenFirst(paths []string) (*Socket, error) {
	reasons := []error{ErrNoPlace}
	for _, p := range paths {
		s, err := Listen(p)
		if err == nil || !files.NoPlace(err) {
			return s, err
		}
		reasons = append(reasons, err)
	}
	return nil, errors.Join(reasons...)
}

// Listen makes a control socket at path that only this user may open. A socket
// that a dead program left is replaced; [ErrTaken] says that a living one has it.
// A lock beside it (path + ".lock") keeps two that start at once apart.
func Listen(path string) (*Socket, error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	l, err := listen(path)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("making %s: %w", path, err)
	}
	return &Socket{l, path, lock}, nil
}

func lockFile(name string) (*os.File, error) {
	f, err := files.Lock(name)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ownerOnly is who may open the socket.
const ownerOnly = 0o600

func listen(path string) (*net.UnixListener, error) {
	if err := clear(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: private}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	unix := l.(*net.UnixListener) // what "unix" gives
	if err := os.Chmod(path, ownerOnly); err != nil {
		unix.Close()
		return nil, err
	}
	return unix, nil
}

// private has the socket born with its mode: between bind and chmod nobody can
// open it. Where a kernel does not do so for sockets, chmod has to suffice.
func private(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), ownerOnly) })
}

// clear removes a socket that nobody answers on.
func clear(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("a file that is no socket is there: remove it, or name another path")
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		conn.Close()
		return ErrTaken
	case !errors.Is(err, syscall.ECONNREFUSED):
		return err
	}
	return os.Remove(path)
}
