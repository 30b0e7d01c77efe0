package codecache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dwaar.dev/dwaar/host/files"
)

// open makes sure of a directory and opens it.
func open(path string) (*os.Root, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	// Links are followed once, here: what they led to is what is looked at and opened.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	leaf, err := safe(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	if info, err := root.Stat("."); err != nil || !os.SameFile(info, leaf) {
		return nil, errors.Join(fmt.Errorf("%s was exchanged while it was opened", path), err, root.Close())
	}
	return root, nil
}

// safe reports whether nobody but root and this user can put anything in the place of a
// directory or into it, and what the directory is.
func safe(path string) (leaf fs.FileInfo, err error) {
	if leaf, err = os.Lstat(path); err != nil {
		return nil, err
	}
	switch {
	case !leaf.IsDir():
		return nil, fmt.Errorf("%s is no directory", path)
	case !files.Mine(leaf):
		return nil, fmt.Errorf("%s belongs to another user", path)
	case leaf.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s has the mode %04o: what is in it is run, chmod 700 it", path, leaf.Mode().Perm())
	}
	for path != filepath.Dir(path) {
		path = filepath.Dir(path)
		if err := above(path); err != nil {
			return nil, err
		}
	}
	return leaf, nil
}

// above reports whether nobody else can exchange what is in a directory on the way.
func above(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case !files.Mine(info) && !files.Roots(info):
		return fmt.Errorf("%s belongs to another user, who could exchange what is in it", path)
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%s has the mode %04o: others could exchange what is in it, chmod go-w it", path, info.Mode().Perm())
	}
	return nil
}
