package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/host/wasm/codecache"
	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk/abi"
)

// What plugins may take at most, and have by default.
const (
	maxFile      = 8 << 20 // bytes of a module
	defaultPages = 96      // of 64 KiB: what a cache of the processor holds
	maxPages     = 256     // what is further away costs more time than fuel says
	defaultFuel  = 500_000 // units for an evaluation, beside fuelPerByte
	maxFuel      = 50_000_000
	fuelPerByte  = 100        // units more for each byte of the head
	fullHeads    = 8          // what all evaluations of a connection may take, in evaluations of a full head
	initFuel     = 50_000_000 // units
)

// Options are what a [Host] takes from outside. The zero value is ready.
type Options struct {
	Log *slog.Logger // what guests log and how they fail; nil: nowhere

	// Compiler is the command line of a process that calls [CompileInto] with the
	// directory that is added to it as the last argument, and its standard input. The
	// process is told that its name is os.Args[0], whatever the path: /proc/self/exe, say.
	// nil: modules are compiled in this process, where nothing can interrupt it.
	Compiler []string

	// Cache is a directory in which machine code is kept from one run to the next, for
	// any number of processes of one user; it is made if it is not there. It must be
	// safe: package codecache says what that is, and a line of Log what is wrong with
	// it. "", or without Compiler: nothing is kept.
	Cache string

	// Changed is told of plugins with watch whose file has changed, from a goroutine
	// that lives as long as the graph does: ctx ends when another one takes its place.
	// Whoever gets it loads the configuration again, with [Host.Loading]. nil: nobody
	// watches.
	Changed func(ctx context.Context, c Change)

	// Files are those that paths of modules mean, for a program that carries its plugins
	// with its configuration. Nothing is watched there. nil: the files of the machine.
	Files fs.FS

	// Listen is what a tool hears the guests log with, instead of Log: every level,
	// also [abi.LogTrace], and however much they say. It is called from the goroutine
	// that evaluates. nil: Log gets what is worth it, some lines a second.
	Listen func(Message)
}

// Host is the engine that runs guests: one for a process. It starts nothing before
// the first module is loaded.
type Host struct {
	log      *slog.Logger
	compiler []string
	files    fs.FS
	listen   func(Message)
	changed  func(context.Context, Change)
	live     atomic.Int32 // modules that are loaded

	life     context.Context // of compilations
	end      context.CancelFunc
	made     compilations
	cacheDir string

	mu      sync.Mutex // held while a module is compiled
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	dir     string   // where the compiler puts code; "": there is none
	lock    *os.File // of dir, by which other processes see that it is used; nil: they cannot
	closed  bool

	kept      *codecache.Dir // machine code of earlier runs; nil: there is none
	engineKey []byte         // what all of it depends on, beside its module
}

// New makes a host.
func New(o Options) *Host {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Host{log: o.Log, compiler: o.Compiler, files: o.Files, listen: o.Listen, changed: o.Changed, cacheDir: o.Cache}
	h.life, h.end = context.WithCancel(context.Background())
	return h
}

// Interrupt ends compilations that another process does, and all later ones fail: for a
// program that is about to end and does not want to wait for a watched file. Modules
// that are loaded do not notice.
func (h *Host) Interrupt() { h.end() }

// Close ends the engine: no module can be loaded any more. Those that graphs still
// hold go on until the process ends.
func (h *Host) Close() error {
	h.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	if h.dir != "" {
		errs = append(errs, os.RemoveAll(h.dir), unlock(h.lock))
	}
	if h.kept != nil {
		errs = append(errs, h.kept.Close())
	}
	if !h.closed && h.runtime != nil && h.live.Load() == 0 {
		errs = append(errs, h.runtime.Close(context.Background()))
		if h.cache != nil {
			errs = append(errs, h.cache.Close(context.Background()))
		}
	}
	h.closed, h.dir, h.kept = true, "", nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the WebAssembly engine: %w", err)
	}
	return nil
}

// engine returns the runtime with the host's functions, made by the first call. The
// caller holds mu.
func (h *Host) engine() (wazero.Runtime, error) {
	if h.closed {
		return nil, errors.New("the WebAssembly engine was closed")
	}
	if h.runtime != nil {
		return h.runtime, nil
	}
	c := config(wazero.NewRuntimeConfigCompiler())
	if h.compiler != nil {
		if err := h.makeDir(); err != nil {
			return nil, err
		}
		c = c.WithCompilationCache(h.cache)
	}
	r := wazero.NewRuntimeWithConfig(context.Background(), c)
	if err := define(context.Background(), r); err != nil {
		return nil, fmt.Errorf("starting the WebAssembly engine: %w", err)
	}
	h.runtime = r
	if h.compiler != nil {
		h.openCache()
	}
	return r, nil
}

// config is what both engines have in common. Never with
// WithCloseOnContextDone: it costs a goroutine for each call, and fuel ends them all.
func config(c wazero.RuntimeConfig) wazero.RuntimeConfig {
	return c.WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(maxPages).WithDebugInfoEnabled(false)
}

// compile checks a module, rewrites it, and compiles what came out.
func (h *Host) compile(src []byte, pages uint32) (wazero.Runtime, *rewrite.Result, wazero.CompiledModule, error) {
	res, err := rewrite.Module(src, rewriting(pages))
	if err != nil {
		return nil, nil, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r, err := h.engine()
	if err != nil {
		return nil, nil, nil, err
	}
	compiled, err := h.machineCode(r, res.Wasm)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("compiling the module: %w", err)
	}
	h.live.Add(1)
	return r, res, compiled, nil
}

// rewriting is how modules are rewritten.
func rewriting(pages uint32) rewrite.Options {
	return rewrite.Options{
		Limits:   rewrite.Limits{File: maxFile, MemoryPages: pages, Manifest: abi.MaxManifest},
		Imports:  allowed(),
		Validate: validate,
	}
}

// machineCode compiles a rewritten module, or loads its code. The caller holds mu.
func (h *Host) machineCode(r wazero.Runtime, module []byte) (wazero.CompiledModule, error) {
	if h.dir == "" {
		h.made.compiled.Add(1)
		return r.CompileModule(context.Background(), module)
	}
	defer h.sweep()
	kept, err := h.provide(module)
	if err != nil {
		return nil, err
	}
	compiled, err := r.CompileModule(context.Background(), module)
	if err == nil || !kept {
		return compiled, err
	}
	if err := h.forget(module); err != nil {
		return nil, err
	}
	return r.CompileModule(context.Background(), module)
}

// validate is the engine's judgement of the bytes as they came: rewriting could make
// a valid module of an invalid one.
func validate(src []byte) error {
	r := wazero.NewRuntimeWithConfig(context.Background(), config(wazero.NewRuntimeConfigInterpreter()))
	_, err := r.CompileModule(context.Background(), src)
	return errors.Join(err, r.Close(context.Background()))
}

// allowed is what guests may import.
func allowed() []rewrite.Import {
	list := abi.Imports()
	imports := make([]rewrite.Import, len(list))
	for i, f := range list {
		imports[i] = rewrite.Import{
			Module: f.Module, Name: f.Name,
			Type: rewrite.FuncType{Params: valueTypes(f.Params), Results: valueTypes(f.Results)},
		}
	}
	return imports
}

func valueTypes(letters string) []rewrite.ValueType {
	types := make([]rewrite.ValueType, 0, len(letters))
	for _, c := range letters {
		t := rewrite.I32
		if c == 'I' {
			t = rewrite.I64
		}
		types = append(types, t)
	}
	return types
}
