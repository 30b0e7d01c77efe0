package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tetratelabs/wazero"
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

// CompileInto compiles the rewritten module that parent hands over, as [Host] does, and
// leaves the code in dir, a directory of the host that asked for it. The process gives
// itself limits before: it is one that does nothing else. It ends, and takes dir with it,
// when the other end of parent closes before: the process that asked is gone then, and
// nobody else would end this one.
func CompileInto(dir string, parent io.Reader) error {
	if err := limit(compileCPU, compileMemory); err != nil {
		return fmt.Errorf("limiting the compiler: %w", err)
	}
	src, err := takeOver(parent)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		abandon(dir)
	}
	if err != nil {
		return fmt.Errorf("reading the module: %w", err)
	}
	go endWith(parent, dir)
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

// handOver writes a module for takeOver: its length, because the pipe stays open behind
// it, and the bytes.
func handOver(to io.Writer, module []byte) error {
	_, err := to.Write(binary.BigEndian.AppendUint64(nil, uint64(len(module))))
	if err == nil {
		_, err = to.Write(module)
	}
	return err
}

// takeOver reads what handOver writes.
func takeOver(from io.Reader) ([]byte, error) {
	var size [8]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(size[:])
	if n > maxRewritten {
		return nil, fmt.Errorf("it has %d bytes, and may have %d", n, maxRewritten)
	}
	src := make([]byte, n)
	_, err := io.ReadFull(from, src)
	return src, err
}

// endWith ends this process when parent ends: nothing more comes from it, and the kernel
// closes its end of the pipe however it dies.
func endWith(parent io.Reader, dir string) {
	_, _ = parent.Read(make([]byte, 1)) // an error is as good an end
	abandon(dir)
	os.Exit(1)
}

// elsewhere has a module compiled by another process, within limits.
func (h *Host) elsewhere(module []byte) error {
	ctx, cancel := context.WithTimeout(h.life, compileTime)
	defer cancel()
	said, err := h.compileIn(ctx, module)
	switch {
	case h.life.Err() != nil:
		return errors.New("the program is ending")
	case ctx.Err() != nil:
		return fmt.Errorf("it takes longer than %s: make it smaller", compileTime)
	case err != nil && len(said) > 0:
		return fmt.Errorf("the compiler failed: %w: %s", err, printable(said))
	case err != nil:
		return fmt.Errorf("the compiler failed: %w", err)
	case len(h.compiled()) == 0:
		return errors.New("the compiler left nothing")
	}
	return nil
}

// compileIn runs the compiler's process, which ends with ctx, and returns the beginning
// of what that has to say.
func (h *Host) compileIn(ctx context.Context, module []byte) (said []byte, err error) {
	cmd := exec.CommandContext(ctx, h.compiler[0], append(h.compiler[1:len(h.compiler):len(h.compiler)], h.dir)...)
	cmd.Args[0] = os.Args[0] // the path may be /proc/self/exe, which says nothing in a list of processes
	cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=none"}
	first := &beginning{}
	cmd.Stderr = first
	parent, err := cmd.StdinPipe() // which Wait closes when the process has ended
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_ = handOver(parent, module) // a process that does not take it says why, or how it ended does
	err = cmd.Wait()
	return first.b, err
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
