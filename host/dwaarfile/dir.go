package dwaarfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"dwaar.dev/dwaar/host/files"
)

// Dir lets a configuration import files below a directory: it returns the Open and
// Glob of [Options]. Nothing outside is reached, also not through a symlink, and
// nothing but regular files is opened; of a file no more is read than shows that it
// is too long. The caller closes root, which open and glob need until then.
func Dir(root *os.Root) (open func(string) ([]byte, error), glob func(string) ([]string, error)) {
	open = func(name string) ([]byte, error) { return readIn(root, name) }
	glob = func(pattern string) ([]string, error) { return globIn(root, pattern) }
	return open, glob
}

var errNotRegular = errors.New("not a regular file: import text files")

func readIn(root *os.Root, name string) ([]byte, error) {
	f, err := files.OpenIn(root, name)
	if errors.Is(err, files.ErrNotRegular) {
		return nil, errNotRegular
	}
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// cause takes the operation and the path off an error: the message names the path.
func cause(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// globIn lists regular files in the order of their names, without those hidden by
// a dot unless the pattern names it.
func globIn(root *os.Root, pattern string) ([]string, error) {
	names, err := fs.Glob(root.FS(), pattern)
	if err != nil {
		return nil, err
	}
	hidden := strings.HasPrefix(path.Base(pattern), ".")
	names = slices.DeleteFunc(names, func(name string) bool {
		info, err := root.Stat(name)
		return err == nil && info.IsDir() || strings.HasPrefix(path.Base(name), ".") && !hidden
	})
	slices.Sort(names)
	return names, nil
}
