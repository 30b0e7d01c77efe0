package guesttest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// maxHead is the greatest head of every flow in these tests.
const maxHead = 16 << 10

// prepared keeps modules rewritten and compiled for the next test that loads them:
// those of Go take long.
var prepared = struct {
	sync.Mutex
	rewritten map[[sha256.Size]byte]*rewrite.Result
	compiled  wazero.CompilationCache
}{rewritten: map[[sha256.Size]byte]*rewrite.Result{}, compiled: wazero.NewCompilationCache()}

// prepare rewrites and compiles a module, or finds that done.
func prepare(ctx context.Context, r wazero.Runtime, wasm []byte) (*rewrite.Result, wazero.CompiledModule, error) {
	prepared.Lock()
	defer prepared.Unlock()
	key := sha256.Sum256(wasm)
	res := prepared.rewritten[key]
	if res == nil {
		var err error
		if res, err = rewrite.Module(wasm, rewrite.Options{Imports: imports(), Without: rewrite.Marking}); err != nil {
			return nil, nil, err
		}
		prepared.rewritten[key] = res
	}
	compiled, err := r.CompileModule(ctx, res.Wasm)
	return res, compiled, err
}

// rejection is what a guest said of its configuration.
type rejection struct {
	Token int32
	Msg   string
}

// guest is one instance of a module. It is an sdk.Matcher once it is configured.
type guest struct {
	mu     sync.Mutex // one call at a time
	mod    api.Module
	window abi.Window
	name   string // of the matcher
	image  []byte // memory after init, put back after each evaluation
	own    []api.MutableGlobal
	values []uint64 // of own after init
	fuel   int64    // what the last evaluation took
	budget int64    // what one may take, beside its head's; 0: the default

	flow     *sdk.Flow // during match
	facts    []string  // keys set during match
	rejected []rejection
	logged   []string
	failed   string
}

// load instantiates a module and asks for its window. The error is that of the step
// that failed.
func load(t testing.TB, wasm []byte) (*guest, error) {
	t.Helper()
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(256).WithCompilationCache(prepared.compiled))
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	g := &guest{}
	if err := offer(ctx, r, g); err != nil {
		return nil, err
	}
	rewritten, compiled, err := prepare(ctx, r, wasm)
	if err != nil {
		return nil, err
	}
	if err := admit(rewritten.Exports); err != nil {
		return nil, err
	}
	config := wazero.NewModuleConfig().WithName("guest").WithStartFunctions(abi.ExportInitialize)
	if g.mod, err = r.InstantiateModule(ctx, compiled, config); err != nil {
		return nil, g.explain(err)
	}
	for _, name := range rewritten.Globals {
		g.own = append(g.own, g.mod.ExportedGlobal(name).(api.MutableGlobal))
	}
	return g, g.askWindow(ctx)
}

// imports is what the rewriter lets a module import.
func imports() []rewrite.Import {
	var list []rewrite.Import
	for _, i := range abi.Imports() {
		sig := rewrite.FuncType{Params: values(i.Params), Results: values(i.Results)}
		list = append(list, rewrite.Import{Module: i.Module, Name: i.Name, Type: sig})
	}
	return list
}

func values(letters string) []rewrite.ValueType {
	list := []rewrite.ValueType{}
	for _, l := range letters {
		list = append(list, map[rune]rewrite.ValueType{'i': rewrite.I32, 'I': rewrite.I64}[l])
	}
	return list
}

func (g *guest) askWindow(ctx context.Context) error {
	size := uint32(abi.WindowSize(maxHead, 4<<10))
	res, err := g.mod.ExportedFunction(abi.ExportWindow).Call(ctx, uint64(size))
	if err != nil {
		return g.explain(err)
	}
	base := uint32(res[0])
	if base == 0 || base%abi.WindowAlign != 0 {
		return fmt.Errorf("window at %#x", base)
	}
	if _, ok := g.mod.Memory().Read(base, size); !ok {
		return fmt.Errorf("window at %#x is not inside the memory", base)
	}
	g.window = abi.Window{Base: base, Bytes: make([]byte, size)}
	return nil
}

// configure runs init of a matcher, "" for the default one.
func (g *guest) configure(ctx context.Context, matcher string, block []byte) error {
	if matcher != "" {
		matcher = "_" + matcher
	}
	g.name, g.rejected = matcher, nil
	f := g.mod.ExportedFunction(abi.ExportInit + matcher)
	if f == nil && len(block) > len(emptyBlock()) {
		return errors.New("takes no arguments")
	}
	if f != nil {
		config := g.window.Config(block)
		g.mod.Memory().Write(g.window.Base, g.window.Bytes)
		res, err := f.Call(ctx, uint64(config), uint64(len(block)))
		if err != nil {
			return g.explain(err)
		}
		if res[0] != 0 || len(g.rejected) > 0 {
			return fmt.Errorf("init gave %d: %v", int32(res[0]), g.rejected)
		}
	}
	g.freeze()
	return nil
}

func emptyBlock() []byte {
	block, _ := abi.NewTokens().Block() // nothing in it can be wrong
	return block
}

// freeze fixes the shape and remembers what every evaluation begins with.
func (g *guest) freeze() {
	g.global(rewrite.FrozenGlobal).Set(rewrite.Frozen)
	clear(g.window.Bytes)
	g.mod.Memory().Write(g.window.Base, g.window.Bytes)
	memory, _ := g.mod.Memory().Read(0, g.mod.Memory().Size())
	g.image, g.values = bytes.Clone(memory), nil
	for _, own := range g.own {
		g.values = append(g.values, own.Get())
	}
}

// restore puts back what the evaluation changed.
func (g *guest) restore() {
	g.mod.Memory().Write(0, g.image)
	for i, own := range g.own {
		own.Set(g.values[i])
	}
}

func (g *guest) global(name string) api.MutableGlobal {
	return g.mod.ExportedGlobal(name).(api.MutableGlobal)
}

// Match evaluates the head.
func (g *guest) Match(f *sdk.Flow) (sdk.Verdict, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.restore()
	g.flow, g.facts, g.failed, g.logged = f, nil, "", nil
	defer func() { g.flow = nil }()
	head, info := g.window.Evaluation(conn(f), f.Head, f.Bounds)
	g.mod.Memory().Write(g.window.Base, g.window.Bytes)
	budget := cmp.Or(g.budget, 500_000) + 100*int64(len(f.Head))
	g.global(rewrite.FrozenGlobal).Set(rewrite.Frozen)
	g.global(rewrite.FuelGlobal).Set(uint64(budget))
	g.global(rewrite.StackGlobal).Set(rewrite.DefaultStack)
	match := g.mod.ExportedFunction(abi.ExportMatch + g.name)
	res, err := match.Call(context.Background(), uint64(head), uint64(len(f.Head)), uint64(info))
	g.fuel = budget - int64(g.global(rewrite.FuelGlobal).Get())
	if err != nil || g.fuel > budget {
		return 0, g.explain(cmp.Or(err, errors.New("out of fuel")))
	}
	v := sdk.Verdict(int32(uint32(res[0])))
	if n := v.NeedBytes(); n > f.MaxHead {
		return sdk.Unknown, nil
	}
	return v, nil
}

// explain returns what the guest said when it ended itself, or else the trap.
func (g *guest) explain(err error) error {
	if g.failed != "" {
		return errors.New(g.failed)
	}
	if n := len(g.logged); n > 0 {
		return fmt.Errorf("%w (it printed %q)", err, strings.Join(g.logged, ""))
	}
	return err
}

// conn is the flow as the interface has it.
func conn(f *sdk.Flow) *abi.Conn {
	c := &abi.Conn{
		MaxHead: uint32(f.MaxHead), Remote: f.Remote, Local: f.Local,
		Listener: f.Listener, ServerName: f.ServerName, ALPN: f.ALPN,
		TLSVersion: f.TLSVersion, Cipher: f.CipherSuite, Accepted: f.Accepted.UnixNano(),
	}
	switch f.Network {
	case "tcp":
		c.Transport = abi.TransportTCP
	case "udp":
		c.Transport = abi.TransportUDP
	default:
		c.Transport = abi.TransportUnix
	}
	if f.TLSVersion != 0 {
		c.Flags |= abi.FlagTLS
	}
	if f.Proxied {
		c.Flags |= abi.FlagProxied
	}
	if f.Network == "udp" || f.Network == "unixgram" {
		c.Flags |= abi.FlagDatagrams
	}
	return c
}

// admit checks the names, kinds and types of exports.
func admit(exports []rewrite.Export) error {
	types := map[string]string{
		abi.ExportInit: "ii→i", abi.ExportMatch: "iii→i", abi.ExportWindow: "i→i", abi.ExportInitialize: "→",
	}
	found := map[string]bool{}
	for _, e := range exports {
		base, _, ok := abi.MatcherOf(e.Name)
		if !ok {
			base = e.Name
		}
		want, known := types[base]
		switch {
		case e.Name == abi.ExportStart:
			return errors.New("is a command: build it as a reactor")
		case !known && strings.HasPrefix(e.Name, abi.ExportPrefix):
			return fmt.Errorf("exports %s, which version 1 does not know", e.Name)
		case known && (e.Kind != rewrite.Function || e.Imported):
			return fmt.Errorf("exports %s, which is no function of its own", e.Name)
		case known && want != letters(e.Type.Params)+"→"+letters(e.Type.Results):
			return fmt.Errorf("exports %s with another type", e.Name)
		}
		found[e.Name] = true
	}
	return complete(found)
}

// complete checks that there is what there has to be.
func complete(found map[string]bool) error {
	if !found[abi.ExportWindow] {
		return fmt.Errorf("does not export %s: not a module for version 1", abi.ExportWindow)
	}
	matchers := 0
	for name := range found {
		base, matcher, _ := abi.MatcherOf(name)
		switch alone := strings.TrimSuffix(abi.ExportMatch+"_"+matcher, "_"); {
		case base == abi.ExportMatch:
			matchers++
		case base == abi.ExportInit && !found[alone]:
			return fmt.Errorf("exports %s without its matcher", name)
		}
	}
	if matchers == 0 {
		return errors.New("exports no matcher")
	}
	return nil
}

func letters(types []rewrite.ValueType) string {
	var b strings.Builder
	for _, t := range types {
		b.WriteString(map[rewrite.ValueType]string{rewrite.I32: "i", rewrite.I64: "I"}[t])
	}
	return b.String()
}

// utf16At reads a string of AssemblyScript, whose length stands before it.
func utf16At(m api.Memory, ptr uint32) string {
	size, _ := m.ReadUint32Le(ptr - 4)
	b, _ := m.Read(ptr, size)
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
	}
	return string(utf16.Decode(units))
}
