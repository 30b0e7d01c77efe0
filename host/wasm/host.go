package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk/abi"
)

// What plugins may take at most, and have by default.
const (
	maxFile      = 8 << 20 // bytes of a module
	defaultPages = 256     // of 64 KiB
	maxPages     = 1024
	defaultFuel  = 500_000 // units for an evaluation, beside fuelPerByte
	maxFuel      = 50_000_000
	fuelPerByte  = 100        // units more for each byte of the head
	fullHeads    = 8          // what all evaluations of a connection may take, in evaluations of a full head
	initFuel     = 50_000_000 // units
)

// Options are what a [Host] takes from outside. The zero value is ready.
type Options struct {
	Log *slog.Logger // what guests log and how they fail; nil: nowhere
}

// Host is the engine that runs guests: one for a process. It starts nothing before
// the first module is loaded.
type Host struct {
	log *slog.Logger

	mu      sync.Mutex
	runtime wazero.Runtime
	closed  bool
}

// New makes a host.
func New(o Options) *Host {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Host{log: o.Log}
}

// Close ends every module that is still loaded. Nobody evaluates any more.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.runtime == nil {
		return nil
	}
	if err := h.runtime.Close(context.Background()); err != nil {
		return fmt.Errorf("closing the WebAssembly engine: %w", err)
	}
	return nil
}

// engine returns the runtime with the host's functions, made by the first call.
func (h *Host) engine() (wazero.Runtime, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errors.New("the WebAssembly engine was closed")
	}
	if h.runtime != nil {
		return h.runtime, nil
	}
	r := wazero.NewRuntimeWithConfig(context.Background(), config(wazero.NewRuntimeConfigCompiler()))
	if err := define(context.Background(), r); err != nil {
		return nil, fmt.Errorf("starting the WebAssembly engine: %w", err)
	}
	h.runtime = r
	return r, nil
}

// config is what both engines have in common. Never with
// WithCloseOnContextDone: it costs a goroutine for each call, and fuel ends them all.
func config(c wazero.RuntimeConfig) wazero.RuntimeConfig {
	return c.WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(maxPages).WithDebugInfoEnabled(false)
}

// compile checks a module, rewrites it, and compiles what came out.
func (h *Host) compile(src []byte, pages uint32) (*rewrite.Result, wazero.CompiledModule, error) {
	r, err := h.engine()
	if err != nil {
		return nil, nil, err
	}
	res, err := rewrite.Module(src, rewrite.Options{
		Limits:   rewrite.Limits{File: maxFile, MemoryPages: pages},
		Imports:  allowed(),
		Validate: validate,
	})
	if err != nil {
		return nil, nil, err
	}
	compiled, err := r.CompileModule(context.Background(), res.Wasm)
	if err != nil {
		return nil, nil, fmt.Errorf("compiling the module: %w", err)
	}
	return res, compiled, nil
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
