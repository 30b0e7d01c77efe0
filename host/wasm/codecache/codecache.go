package codecache

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"dwaar.dev/dwaar/host/files"
)

// ErrMissing is what Get returns where there is no entry, and ErrDamaged where there
// was one that is not as it was written: it is gone then.
var (
	ErrMissing = errors.New("no such entry")
	ErrDamaged = errors.New("the entry was damaged")
)

// Key names an entry: a hash of everything that the code depends on.
type Key [sha256.Size]byte

// An entry is the magic, the key, the code, and the hash of the three.
const (
	magic    = "dwaar machine code 1\n"
	overhead = len(magic) + 2*sha256.Size
	suffix   = ".code"
	partial  = ".part"
)

// abandoned is how old a file that somebody began to write is when nobody writes it
// any more.
const abandoned = time.Hour

// Dir is an open directory of entries. Its methods may be called from any goroutine.
type Dir struct {
	root  *os.Root
	limit int64
}

// Open opens a directory whose entries may have limit bytes together, and makes it if
// it is not there. The error says which directory on the way is not safe, and why.
func Open(path string, limit int64) (*Dir, error) {
	root, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the cache of compiled code: %w", err)
	}
	return &Dir{root, limit}, nil
}

// Close closes the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Get returns the code that was put under a key.
func (d *Dir) Get(key Key) ([]byte, error) {
	name := key.file()
	entry, err := d.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, fmt.Errorf("reading compiled code: %w", err)
	}
	code, ok := key.open(entry)
	if !ok {
		_ = d.root.Remove(name) // what replaces it is put under the same name
		return nil, ErrDamaged
	}
	now := time.Now()
	_ = d.root.Chtimes(name, now, now) // it only goes earlier than it would
	return code, nil
}

// read reads a file that is certainly ours.
func (d *Dir) read(name string) ([]byte, error) {
	if info, err := d.root.Lstat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, nil // no entry: damaged
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 || !files.Mine(info) {
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(f, d.limit+int64(overhead)))
}

// Put keeps code under a key, in the place of what was there.
func (d *Dir) Put(key Key, code []byte) error {
	size := int64(len(code) + overhead)
	if size > d.limit {
		return fmt.Errorf("keeping compiled code: it has %d bytes, and all of the cache may have %d", size, d.limit)
	}
	if err := d.make(key, code); err != nil {
		return fmt.Errorf("keeping compiled code: %w", err)
	}
	return d.evict(key.file())
}

// make writes an entry under another name first.
func (d *Dir) make(key Key, code []byte) error {
	part := key.file() + "." + rand.Text() + partial
	f, err := d.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(key.seal(code))
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.root.Rename(part, key.file())
	}
	if err != nil {
		_ = d.root.Remove(part) // or it is removed when it is old
	}
	return err
}

// Remove forgets what is under a key.
func (d *Dir) Remove(key Key) error {
	if err := d.root.Remove(key.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting compiled code: %w", err)
	}
	return nil
}

func (k Key) file() string { return hex.EncodeToString(k[:]) + suffix }

// seal makes the entry of code.
func (k Key) seal(code []byte) []byte {
	entry := make([]byte, 0, len(code)+overhead)
	entry = append(append(append(entry, magic...), k[:]...), code...)
	sum := sha256.Sum256(entry)
	return append(entry, sum[:]...)
}

// open returns the code of an entry that is whole and of this key.
func (k Key) open(entry []byte) (code []byte, ok bool) {
	if len(entry) < overhead {
		return nil, false
	}
	body, sum := entry[:len(entry)-sha256.Size], entry[len(entry)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, false
	}
	code, ok = bytes.CutPrefix(body, append([]byte(magic), k[:]...))
	return code, ok
}
