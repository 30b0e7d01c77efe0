package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tetratelabs/wazero"

	"dwaar.dev/dwaar/host/files"
)

// What the process that compiles a module may take. The greatest modules that the
// rewriter lets pass take some seconds and some hundred megabytes; hostile ones would
// take minutes.
const (
	compileTime   = 60 * time.Second // of the clock
	compileCPU    = 30               // seconds of the processor
	compileMemory = 4 << 30          // bytes of addresses, beside those of a process that has just begun
	maxRewritten  = 128 << 20        // bytes
)

// CompileInto compiles the rewritten module that it reads and leaves the code in dir,
// a directory of the host that asked for it. The process gives itself limits before:
// it is one that does nothing else.
func CompileInto(dir string, module io.Reader) error {
	if err := limit(compileCPU, compileMemory); err != nil {
		return fmt.Errorf("limiting the compiler: %w", err)
	}
	src, err := io.ReadAll(io.LimitReader(module, maxRewritten))
	if err != nil {
		return fmt.Errorf("reading the module: %w", err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return fmt.Errorf("opening the compiler's directory: %w", err)
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config(wazero.NewRuntimeConfigCompiler()).WithCompilationCache(cache))
	if _, err := r.CompileModule(ctx, src); err != nil {
		return fmt.Errorf("compiling the module: %w", err)
	}
	return nil
}

// makeDir makes the directory that the compiler puts code into. What is found there
// is run: nobody else can write to it, and it is never made again under its name.
func (h *Host) makeDir() error {
	dir, err := newDir(os.TempDir(), "/run", "/dev/shm")
	if err != nil {
		return fmt.Errorf("making a directory for compiled modules: %w: set TMPDIR to one that can be written to", err)
	}
	h.cache, err = wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return fmt.Errorf("opening the directory for compiled modules: %w", err)
	}
	h.dir = dir
	return nil
}

// newDir makes a directory for this user in the first of the places that can hold it:
// all but the last are often read-only in a container. The error is that of the first.
func newDir(places ...string) (string, error) {
	var first error
	for _, place := range places {
		dir, err := os.MkdirTemp(place, "dwaar-wasm-")
		if err == nil || !files.NoPlace(err) {
			return dir, err
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

// elsewhere has a module compiled by another process, within limits.
func (h *Host) elsewhere(module []byte) error {
	ctx, cancel := context.WithTimeout(h.life, compileTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.compiler[0], append(h.compiler[1:len(h.compiler):len(h.compiler)], h.dir)...)
	cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=none"}
	cmd.Stdin = bytes.NewReader(module)
	said := &beginning{}
	cmd.Stderr = said
	err := cmd.Run()
	switch {
	case h.life.Err() != nil:
		return errors.New("the program is ending")
	case ctx.Err() != nil:
		return fmt.Errorf("it takes longer than %s: make it smaller", compileTime)
	case err != nil && len(said.b) > 0:
		return fmt.Errorf("the compiler failed: %w: %s", err, printable(said.b))
	case err != nil:
		return fmt.Errorf("the compiler failed: %w", err)
	case len(h.compiled()) == 0:
		return errors.New("the compiler left nothing")
	}
	return nil
}

// compiled returns the files that the compiler has left.
func (h *Host) compiled() []string {
	files, _ := filepath.Glob(filepath.Join(h.dir, "*", "*")) // the pattern is well-formed
	return files
}

// sweep removes the code once it is loaded.
func (h *Host) sweep() {
	for _, file := range h.compiled() {
		_ = os.Remove(file) // it is removed with the directory at the latest
	}
}

// beginning keeps the first bytes that are written to it.
type beginning struct{ b []byte }

func (w *beginning) Write(p []byte) (int, error) {
	const most = 256
	w.b = append(w.b, p[:min(len(p), most-len(w.b))]...)
	return len(p), nil
}
