package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// staleWait is how long a socket file that is in the way has to answer. The kernel
// answers at once unless the queue of whoever listens there is full.
const staleWait = time.Second

// openUnix listens on a path. A socket file that nobody listens on, left by a
// program that was killed, is removed; anything else in its place is an error.
func (o *Opener) openUnix(ctx context.Context, at Spec, access Access) (*Socket, error) {
	if fd, ok := o.inherited(at); ok {
		return fromDescriptor(fd)
	}
	var config net.ListenConfig
	if access.Mode != 0 {
		config.Control = private
	}
	ln, err := config.Listen(ctx, at.Network, at.Path)
	if errors.Is(err, syscall.EADDRINUSE) && !strings.HasPrefix(at.Path, "@") {
		if err := removeStale(ctx, at); err != nil {
			return nil, err
		}
		ln, err = config.Listen(ctx, at.Network, at.Path)
	}
	if err != nil {
		return nil, explain(err, at)
	}
	s, err := ownFile(ln.(*net.UnixListener), at.Path)
	if err != nil {
		return nil, err
	}
	if err := s.Grant(access); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ownFile remembers which file is ours, to remove no other one.
func ownFile(ln *net.UnixListener, path string) (*Socket, error) {
	s := newSocket(ln)
	if strings.HasPrefix(path, "@") {
		return s, nil
	}
	file, err := os.Lstat(path)
	if err != nil {
		ln.Close()
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	s.path, s.file = path, file
	return s, nil
}

// Gone reports whether the file of a Unix socket is not there any more, so that no
// client finds it: whoever cleans directories of old files has removed it.
func (s *Socket) Gone() bool {
	if s.path == "" {
		return false
	}
	now, err := os.Lstat(s.path)
	return err != nil || !os.SameFile(now, s.file)
}

func removeStale(ctx context.Context, at Spec) error {
	file, err := os.Lstat(at.Path)
	if err != nil {
		return fmt.Errorf("looking at what is in the way: %w", err)
	}
	if file.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is no socket: remove it or choose another path", at.Path)
	}
	dialer := net.Dialer{Timeout: staleWait}
	c, err := dialer.DialContext(ctx, at.Network, at.Path)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return explain(syscall.EADDRINUSE, at)
	}
	if err := os.Remove(at.Path); err != nil {
		return fmt.Errorf("removing the socket nobody listens on: %w", err)
	}
	return nil
}
