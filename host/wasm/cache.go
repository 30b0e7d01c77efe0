package wasm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"dwaar.dev/dwaar/host/wasm/codecache"
)

// maxCache is what the machine code of all modules that are kept may have. A module
// in Go has some MiB, others some KiB.
const maxCache = 256 << 20 // bytes

// Compilations are the modules that a host had to make code of, by how it came by it.
type Compilations struct {
	Compiled uint64 // by the compiler
	Cached   uint64 // kept from an earlier run
	Damaged  uint64 // of those compiled: kept, and not as they were
	Failed   uint64 // not at all: they took too long, or more than they may
}

// compilations counts them.
type compilations struct{ compiled, cached, damaged, failed atomic.Uint64 }

// Compilations returns what was counted so far.
func (h *Host) Compilations() Compilations {
	c := &h.made
	return Compilations{c.compiled.Load(), c.cached.Load(), c.damaged.Load(), c.failed.Load()}
}

// openCache opens the directory of kept code. Without one modules are compiled anew in
// each run. The caller holds mu; the engine's own directory is empty.
func (h *Host) openCache() {
	if h.cacheDir == "" {
		return
	}
	engine, err := h.fingerprint()
	if err == nil {
		h.kept, err = codecache.Open(h.cacheDir, maxCache)
	}
	if err != nil {
		h.log.Warn("compiled plugins are not kept: each start compiles them again", slog.Any(keyError, err))
		return
	}
	h.engineKey = engine
}

// fingerprint stands for everything but the module that machine code depends on. The
// engine gives the code of a module a name in which are its version, the machine and
// what the processor can do; that of the empty module has nothing else in it. Builds
// of the engine that call themselves alike differ in their sum.
func (h *Host) fingerprint() ([]byte, error) {
	empty, err := h.runtime.CompileModule(context.Background(), []byte("\x00asm\x01\x00\x00\x00"))
	if err != nil {
		return nil, fmt.Errorf("looking at the engine: %w", err)
	}
	defer h.sweep()
	_ = empty.Close(context.Background()) // only frees memory
	files := h.compiled()
	if len(files) != 1 {
		return nil, errors.New("looking at the engine: it does not keep code as it did")
	}
	name, err := filepath.Rel(h.dir, files[0])
	if err != nil {
		return nil, fmt.Errorf("looking at the engine: %w", err)
	}
	text := fmt.Sprintf("%s\n%s %s/%s\n", filepath.ToSlash(name), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/tetratelabs/wazero" {
				text += m.Version + " " + m.Sum + "\n"
			}
		}
	}
	return []byte(text), nil
}

// keyOf is what the code of a rewritten module is kept under. The schedule of fuel, the
// limits and all else that the rewriter does are in its bytes.
func (h *Host) keyOf(module []byte) codecache.Key {
	sum := sha256.New()
	sum.Write(h.engineKey)
	sum.Write(module)
	return codecache.Key(sum.Sum(nil))
}

// provide sees to it that the engine finds the code of a module in its directory: kept
// code, or what another process makes now. kept says which.
func (h *Host) provide(module []byte) (kept bool, err error) {
	if h.kept != nil && h.restore(module) {
		return true, nil
	}
	if err := h.elsewhere(module); err != nil {
		h.made.failed.Add(1)
		return false, err
	}
	h.made.compiled.Add(1)
	if h.kept != nil {
		if err := h.keep(module); err != nil {
			h.log.Warn("a compiled plugin is not kept: the next start compiles it again", slog.Any(keyError, err))
		}
	}
	return false, nil
}

// restore copies kept code into the engine's directory: nobody can change there what
// was found to be whole.
func (h *Host) restore(module []byte) bool {
	blob, err := h.kept.Get(h.keyOf(module))
	switch {
	case errors.Is(err, codecache.ErrMissing):
		return false
	case errors.Is(err, codecache.ErrDamaged):
		h.made.damaged.Add(1)
		h.log.Warn("a kept plugin was damaged, and is compiled again")
		return false
	case err != nil:
		h.log.Warn("a kept plugin cannot be read, and is compiled again", slog.Any(keyError, err))
		return false
	}
	name, code, _ := bytes.Cut(blob, []byte{'\n'})
	path := filepath.Join(h.dir, filepath.FromSlash(string(name)))
	if !filepath.IsLocal(string(name)) || filepath.Dir(filepath.Dir(path)) != h.dir || os.WriteFile(path, code, 0o600) != nil {
		return false
	}
	h.made.cached.Add(1)
	return true
}

// keep copies what the compiler has left.
func (h *Host) keep(module []byte) error {
	files := h.compiled()
	if len(files) != 1 {
		return fmt.Errorf("the compiler left %d files", len(files))
	}
	name, err := filepath.Rel(h.dir, files[0])
	if err != nil {
		return err
	}
	code, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	blob := append([]byte(filepath.ToSlash(name)+"\n"), code...)
	return h.kept.Put(h.keyOf(module), blob)
}

// forget removes kept code that the engine does not take, and compiles it again.
func (h *Host) forget(module []byte) error {
	h.made.damaged.Add(1)
	h.sweep()
	if err := h.kept.Remove(h.keyOf(module)); err != nil {
		return err
	}
	_, err := h.provide(module)
	return err
}
