// Package files opens the files that a configuration names: regular files only, so
// that nobody waits for the writer of a pipe, and no more of them than fits.
//
//	text, err := files.Read("/etc/ssl/app.crt", 1<<20)
//
// The package also knows who owns a file and why a directory cannot hold one.
package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Open opens a regular file for reading. Everything else that can have a name is
// refused, and nothing is waited for: opening a FIFO would block until somebody
// writes to it. The error names the file and what to do.
func Open(name string) (*os.File, error) {
	return open(name, os.Stat, os.OpenFile)
}

// OpenIn is Open for a file below root.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	return open(name, root.Stat, root.OpenFile)
}

// open looks before it opens, as opening a device can do something, and afterwards,
// as the file may have been exchanged in between.
func open(name string, stat func(string) (fs.FileInfo, error), with func(string, int, fs.FileMode) (*os.File, error)) (*os.File, error) {
	info, err := stat(name)
	if err != nil {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			path.Op = "open" // what was asked for
		}
		return nil, err
	}
	if err := regular(name, info); err != nil {
		return nil, err
	}
	f, err := with(name, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	if err == nil {
		err = regular(name, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ErrNotRegular is why Open refuses a directory, a FIFO, a socket or a device.
var ErrNotRegular = errors.New("name a regular file")

func regular(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("reading %s: it is %s: %w", name, Kind(info.Mode()), ErrNotRegular)
}

// Kind says in words what a file that is not a regular one is, "a FIFO".
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// ErrTooLong is what Read returns for a file that is longer than it may be.
var ErrTooLong = errors.New("the file is too long")

// Read returns the content of a regular file of at most most bytes.
func Read(name string, most int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err // it names the file
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("reading %s: it is longer than %d bytes: %w", name, most, ErrTooLong)
	}
	return text, nil
}

// maxPEM bounds a file in PEM: the authorities that a system trusts have a fifth of it.
const maxPEM = 1 << 20 // bytes

// The byte order marks that editors and shells of Windows begin a file with.
const (
	utf8Mark  = "\xEF\xBB\xBF"
	utf16Mark = "\xFF\xFE"
)

// ReadPEM returns the content of a file in PEM, without byte order marks, which a
// file that was joined from several ones may have anywhere.
func ReadPEM(name string) ([]byte, error) {
	text, err := Read(name, maxPEM)
	switch {
	case errors.Is(err, ErrTooLong):
		return nil, fmt.Errorf("reading %s: it is longer than %d bytes and can be no certificate", name, maxPEM)
	case err != nil:
		return nil, err
	case bytes.HasPrefix(text, []byte(utf16Mark)):
		return nil, fmt.Errorf("reading %s: it is written in UTF-16: save it as UTF-8 or ASCII", name)
	}
	return bytes.ReplaceAll(text, []byte(utf8Mark), nil), nil
}

// Lock opens the file of a lock for this user, and makes it if it is not there. A
// link is not followed, as whoever may write to the directory could lead it anywhere.
func Lock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|noWait|noFollow, 0o600)
	if err != nil {
		if info, stat := os.Lstat(name); stat == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, fmt.Errorf("opening %s: it is a link, which somebody may have put there: remove it", name)
		}
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("opening %s: it is %s: remove it", name, Kind(info.Mode()))
	case Owner(info) >= 0 && !Mine(info) && !Roots(info):
		err = fmt.Errorf("opening %s: it belongs to another user: remove it", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Readers says who but its owner may read a file, "everybody" or "its group", or
// "" if nobody may. info is of the file of that name.
func Readers(name string, info fs.FileInfo) string {
	const groupRead, othersRead = 0o040, 0o004
	switch mode := info.Mode().Perm(); {
	case Owner(info) < 0: // modes mean nothing where nobody owns a file
		return ""
	case mode&othersRead != 0:
		return "everybody"
	case mode&groupRead != 0 && !hasACL(name):
		return "its group"
	}
	return ""
}
