package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"dwaar.dev/dwaar/host/files"
)

// ErrFull is what Write returns when a record would make the file longer than it may
// be.
var ErrFull = errors.New("the file of records is full: move it away to begin another one")

// File is a file that records are added to, by one goroutine. Other ones, and other
// processes, have files of their own, all of which may be the same on the disk.
type File struct {
	f     *os.File
	limit int64 // bytes
}

// Open opens or makes a file of records that may have limit bytes. It has to be an
// ordinary file that belongs to this user and that nobody else may read: what it
// holds is the clients'.
func Open(path string, limit int64) (*File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|notFollowing, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a file for records: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = private(path, info)
	}
	if err == nil {
		err = endLine(path, f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening a file for records: %w", err), f.Close())
	}
	return &File{f, limit}, nil
}

// private refuses a file that others can read.
func private(path string, info os.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no ordinary file", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s has the mode %04o, and others could read what clients sent: chmod 600, or move it away", path, info.Mode().Perm())
	case !ours(info):
		return fmt.Errorf("%s belongs to another user", path)
	}
	return nil
}

// endLine ends a line that a process left unfinished, so that one record is damaged
// and not two.
func endLine(path string, f *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	r, err := files.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	var last [1]byte
	if _, err := r.ReadAt(last[:], size-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = f.Write([]byte{'\n'})
	return err
}

// Write adds a record. The error is [ErrFull] if there is no room for it.
func (f *File) Write(r *Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing a record: %w", err)
	}
	line = append(line, '\n')
	info, err := f.f.Stat()
	if err != nil {
		return fmt.Errorf("writing a record: %w", err)
	}
	if info.Size()+int64(len(line)) > f.limit {
		return ErrFull
	}
	if _, err := f.f.Write(line); err != nil { // one call: no line stands inside of another
		return fmt.Errorf("writing a record: %w", err)
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }
