package wasm

import (
	"fmt"
	"io"
	"io/fs"

	"dwaar.dev/dwaar/host/files"
)

// read reads a module's file, once: what was hashed is what is compiled. It is one of
// those that the host was given, where it was given any.
func (h *Host) read(path string) ([]byte, error) {
	if h.files == nil {
		return readModule(path)
	}
	f, err := h.files.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the module: %w", err)
	}
	defer f.Close()
	return readFile(f, path)
}

// readModule reads the file of a module, on this machine.
func readModule(path string) ([]byte, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the module: %w", err)
	}
	defer f.Close()
	return readFile(f, path)
}

// readFile reads a file that may be larger than any module.
func readFile(f fs.File, path string) ([]byte, error) {
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the module: %w", err)
	}
	if len(src) > maxFile {
		return nil, fmt.Errorf("reading the module: %s has more than %d MiB", path, maxFile>>20)
	}
	return src, nil
}
