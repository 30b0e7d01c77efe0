package guesttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// maxHead is the greatest head of every flow in these tests.
const maxHead = 16 << 10

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

	flow     *sdk.Flow // during match
	rejected []rejection
	logged   []string
	failed   string
}

// load instantiates a module and asks for its window. The error is that of the step
// that failed.
func load(t testing.TB, wasm []byte) (*guest, error) {
	t.Helper()
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(256))
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	g := &guest{}
	if err := offer(ctx, r, g); err != nil {
		return nil, err
	}
	compiled, err := r.CompileModule(ctx, wasm)
	if err != nil {
		return nil, err
	}
	if err := admit(compiled); err != nil {
		return nil, err
	}
	config := wazero.NewModuleConfig().WithName("guest").WithStartFunctions(abi.ExportInitialize)
	if g.mod, err = r.InstantiateModule(ctx, compiled, config); err != nil {
		return nil, g.explain(err)
	}
	return g, g.askWindow(ctx)
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
	if f == nil {
		return nil
	}
	config := g.window.Config(block)
	g.mod.Memory().Write(g.window.Base, g.window.Bytes)
	res, err := f.Call(ctx, uint64(config), uint64(len(block)))
	if err != nil {
		return g.explain(err)
	}
	if res[0] != 0 || len(g.rejected) > 0 {
		return fmt.Errorf("init gave %d: %v", int32(res[0]), g.rejected)
	}
	return nil
}

// Match evaluates the head.
func (g *guest) Match(f *sdk.Flow) (sdk.Verdict, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flow, g.failed, g.logged = f, "", nil
	defer func() { g.flow = nil }()
	head, info := g.window.Evaluation(conn(f), f.Head, f.Bounds)
	g.mod.Memory().Write(g.window.Base, g.window.Bytes)
	match := g.mod.ExportedFunction(abi.ExportMatch + g.name)
	res, err := match.Call(context.Background(), uint64(head), uint64(len(f.Head)), uint64(info))
	if err != nil {
		return 0, g.explain(err)
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

// admit checks what a host checks before it instantiates, as far as these tests need it.
func admit(m wazero.CompiledModule) error {
	for _, mem := range m.ImportedMemories() {
		return fmt.Errorf("imports memory %v", mem.ExportNames())
	}
	if len(m.ExportedMemories()) != 1 || m.ExportedMemories()[abi.ExportMemory] == nil {
		return errors.New("does not export its memory")
	}
	if err := admitImports(m.ImportedFunctions()); err != nil {
		return err
	}
	return admitExports(m.ExportedFunctions())
}

func admitImports(functions []api.FunctionDefinition) error {
	for _, f := range functions {
		module, name, _ := f.Import()
		known := false
		for _, i := range abi.Imports() {
			known = known || i.Module == module && i.Name == name && i.Params == letters(f.ParamTypes()) &&
				i.Results == letters(f.ResultTypes())
		}
		if !known {
			return fmt.Errorf("imports %s.%s as (%s) → (%s)", module, name, letters(f.ParamTypes()), letters(f.ResultTypes()))
		}
	}
	return nil
}

func admitExports(exports map[string]api.FunctionDefinition) error {
	if exports[abi.ExportStart] != nil {
		return errors.New("is a command: build it as a reactor")
	}
	if exports[abi.ExportWindow] == nil {
		return fmt.Errorf("does not export %s: not a module for version 1", abi.ExportWindow)
	}
	matchers := 0
	for name, f := range exports {
		base, _, ok := abi.MatcherOf(name)
		want := map[string]string{
			abi.ExportInit: "ii→i", abi.ExportMatch: "iii→i", abi.ExportWindow: "i→i", abi.ExportInitialize: "→",
		}
		if !ok {
			base = name
		}
		sig, known := want[base]
		switch _, _, imported := f.Import(); {
		case !known && strings.HasPrefix(name, abi.ExportPrefix):
			return fmt.Errorf("exports %s, which version 1 does not know", name)
		case known && sig != letters(f.ParamTypes())+"→"+letters(f.ResultTypes()):
			return fmt.Errorf("exports %s with another type", name)
		case known && imported:
			return fmt.Errorf("exports %s, which it imports", name)
		}
		if base == abi.ExportMatch {
			matchers++
		}
	}
	if matchers == 0 {
		return errors.New("exports no matcher")
	}
	return nil
}

func letters(types []api.ValueType) string {
	var b strings.Builder
	for _, t := range types {
		b.WriteString(map[api.ValueType]string{api.ValueTypeI32: "i", api.ValueTypeI64: "I"}[t])
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
