package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Access says to whom the file of a Unix socket belongs, and who may connect to it.
// Other sockets have no file.
type Access struct {
	Mode         fs.FileMode // 0: what the umask leaves
	Owner, Group int         // their numbers; -1: those that the file was made with
}

// bornMode is the mode of a socket file before it has its owner and its own mode: until
// then nobody else gets in.
const bornMode = 0o600

// private is for net.ListenConfig.Control.
func private(_, _ string, raw syscall.RawConn) error {
	return controlled(raw, func(fd int) error {
		_ = bear(fd, bornMode) // where a kernel does not do so for sockets, Grant has to suffice
		return nil
	})
}

// Grant gives the file of a Unix socket to whom access says. An inherited one, and one
// without a file, stays as it is. The error says what to do.
func (s *Socket) Grant(access Access) error {
	if s.path == "" {
		return nil
	}
	info, err := os.Lstat(s.path)
	if err != nil || !os.SameFile(info, s.file) {
		return fmt.Errorf("%s is not the socket that was made any more: %w", s.path, errors.Join(err, fs.ErrNotExist))
	}
	uid, gid := ids(info)
	mode, owner, group := access.over(s.file)
	if uid != owner || gid != group {
		if err := os.Lchown(s.path, owner, group); err != nil {
			return fmt.Errorf("giving %s to user %d and group %d: %w", s.path, owner, group, whyNot(err))
		}
	}
	if info.Mode().Perm() != mode {
		return os.Chmod(s.path, mode)
	}
	return nil
}

// over returns what access says, and of the rest how the file was born.
func (access Access) over(born fs.FileInfo) (mode fs.FileMode, owner, group int) {
	mode = access.Mode
	if mode == 0 {
		mode = usualMode()
	}
	owner, group = ids(born)
	if access.Owner >= 0 {
		owner = access.Owner
	}
	if access.Group >= 0 {
		group = access.Group
	}
	return mode, owner, group
}

func whyNot(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: that needs CAP_CHOWN (systemd: AmbientCapabilities=), or a group that this user is in (SupplementaryGroups=)", syscall.EPERM)
	}
	return err
}
