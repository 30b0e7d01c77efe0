package rewrite

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// guest is a small assembler: what a module is made of, in the order of its index
// spaces. Code is written with the methods of code.
type guest struct {
	types    []FuncType
	imports  []code // whole entries
	imported int    // functions among them
	funcs    []fn
	tables   []code
	memories []limits
	globals  []code
	exports  code
	exported uint32
	start    int // index, or -1
	elems    []code
	datas    []code
	customs  []code // behind everything
}

type fn struct {
	sig    uint32
	locals []ValueType
	body   code // without the final end
}

// newGuest is a module with one page of memory, exported.
func newGuest() *guest {
	g := &guest{memories: []limits{{min: 1}}, start: -1}
	g.export("memory", Memory, 0)
	return g
}

// sig reads a signature like "iil:d": i32, i64 (l), f32, f64 (d), v128, funcref.
func sig(s string) FuncType {
	list := func(s string) []ValueType {
		var out []ValueType
		for _, c := range s {
			out = append(out, map[rune]ValueType{'i': I32, 'l': I64, 'f': F32, 'd': F64, 'v': V128, 'r': FuncRef}[c])
		}
		return out
	}
	params, results, _ := strings.Cut(s, ":")
	return FuncType{Params: list(params), Results: list(results)}
}

// typ is the index of a signature.
func (g *guest) typ(s string) uint32 {
	for i, t := range g.types {
		if t.Equal(sig(s)) {
			return uint32(i)
		}
	}
	g.types = append(g.types, sig(s))
	return uint32(len(g.types) - 1)
}

func (g *guest) export(name string, k Kind, index uint32) {
	g.exports = append(g.exports.text(name), byte(k)).u32(index)
	g.exported++
}

// fn adds a function, exported if it has a name, and returns its index.
func (g *guest) fn(name, signature, locals string, body code) uint32 {
	g.funcs = append(g.funcs, fn{g.typ(signature), sig(locals).Params, body})
	index := uint32(g.imported + len(g.funcs) - 1)
	if name != "" {
		g.export(name, Function, index)
	}
	return index
}

func (g *guest) importFunc(module, name, signature string) uint32 {
	g.imports = append(g.imports, append(code{}.text(module).text(name), byte(Function)).u32(g.typ(signature)))
	g.imported++
	return uint32(g.imported - 1)
}

func (g *guest) global(t ValueType, mutable bool, init code) uint32 {
	mut := byte(0)
	if mutable {
		mut = 1
	}
	g.globals = append(g.globals, append(append(code{byte(t), mut}, init...), opEnd))
	return uint32(len(g.globals) - 1)
}

func (g *guest) table(min uint32) uint32 {
	g.tables = append(g.tables, code{byte(FuncRef)}.size(limits{min: min}))
	return uint32(len(g.tables) - 1)
}

// elem fills the beginning of table 0 with functions.
func (g *guest) elem(funcs ...uint32) {
	e := append(code{0}.i32(0), opEnd).u32(uint32(len(funcs)))
	for _, f := range funcs {
		e = e.u32(f)
	}
	g.elems = append(g.elems, e)
}

func (g *guest) passiveElem(funcs ...uint32) uint32 {
	e := code{1, 0}.u32(uint32(len(funcs)))
	for _, f := range funcs {
		e = e.u32(f)
	}
	g.elems = append(g.elems, e)
	return uint32(len(g.elems) - 1)
}

func (g *guest) passiveData(s string) uint32 {
	g.datas = append(g.datas, code{1}.text(s))
	return uint32(len(g.datas) - 1)
}

func (g *guest) custom(name string, content []byte) {
	g.customs = append(g.customs, append(code{}.text(name), content...))
}

// bytes assembles the module.
func (g *guest) bytes() []byte {
	out := code("\x00asm\x01\x00\x00\x00")
	section := func(id byte, items ...code) {
		if len(items) > 0 {
			body := code{}.u32(uint32(len(items)))
			for _, i := range items {
				body = append(body, i...)
			}
			out = append(out, id).sized(body)
		}
	}
	each := func(n int, item func(int) code) []code {
		items := make([]code, n)
		for i := range items {
			items[i] = item(i)
		}
		return items
	}
	section(typeSection, each(len(g.types), func(i int) code { return code{0x60}.types(g.types[i].Params).types(g.types[i].Results) })...)
	section(importSection, g.imports...)
	section(functionSection, each(len(g.funcs), func(i int) code { return code{}.u32(g.funcs[i].sig) })...)
	section(tableSection, g.tables...)
	section(memorySection, each(len(g.memories), func(i int) code { return code{}.size(g.memories[i]) })...)
	section(globalSection, g.globals...)
	if g.exported > 0 {
		out = append(out, exportSection).sized(append(code{}.u32(g.exported), g.exports...))
	}
	if g.start >= 0 {
		out = append(out, startSection).sized(code{}.u32(uint32(g.start)))
	}
	section(elementSection, g.elems...)
	if len(g.datas) > 0 {
		out = append(out, dataCountSection).sized(code{}.u32(uint32(len(g.datas))))
	}
	section(codeSection, each(len(g.funcs), func(i int) code { return code{}.sized(g.funcs[i].bytes()) })...)
	section(dataSection, g.datas...)
	for _, c := range g.customs {
		out = append(out, customSection).sized(c)
	}
	return out
}

func (f fn) bytes() code {
	c := code{}.u32(uint32(len(f.locals)))
	for _, t := range f.locals {
		c = append(c.u32(1), byte(t))
	}
	return append(append(c, f.body...), opEnd)
}

// engines are the ways to run a module.
func engines() map[string]wazero.RuntimeConfig {
	return map[string]wazero.RuntimeConfig{
		"compiled":    wazero.NewRuntimeConfigCompiler().WithDebugInfoEnabled(false),
		"interpreted": wazero.NewRuntimeConfigInterpreter().WithDebugInfoEnabled(false),
	}
}

// each runs a test on both engines.
func each(t *testing.T, test func(t *testing.T, r wazero.Runtime)) {
	t.Helper()
	for name, config := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newRuntime(t, config))
		})
	}
}

func newRuntime(t testing.TB, config wazero.RuntimeConfig) wazero.Runtime {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(context.Background(), config)
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

// validator judges modules as the host does before they are rewritten.
func validator(t testing.TB) func([]byte) error {
	r := newRuntime(t, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(1<<16))
	return func(src []byte) error {
		c, err := r.CompileModule(context.Background(), src)
		if err == nil {
			err = c.Close(context.Background())
		}
		return err
	}
}

// instance is a rewritten module that runs.
type instance struct {
	*living
	t   testing.TB
	res *Result
}

func instantiate(t testing.TB, r wazero.Runtime, g *guest, o Options) instance {
	t.Helper()
	o.Validate = validator(t)
	res, err := Module(g.bytes(), o)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := r.InstantiateWithConfig(context.Background(), res.Wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatalf("what was written does not run: %v", err)
	}
	return instance{&living{Module: mod, masks: res.Masks}, t, res}
}

// call calls a function with plenty of fuel.
func (in instance) call(name string, args ...uint64) ([]uint64, error) {
	in.setGlobal(FuelGlobal, plenty)
	in.setGlobal(StackGlobal, DefaultStack)
	return in.ExportedFunction(name).Call(context.Background(), args...)
}

// used is the fuel of the last call.
func (in instance) used() int64 { return plenty - in.global(FuelGlobal) }

// must calls a function that returns one value.
func (in instance) must(name string, args ...uint64) uint64 {
	in.t.Helper()
	res, err := in.call(name, args...)
	if err != nil {
		in.t.Fatalf("%s%v: %v", name, args, err)
	}
	if len(res) == 0 {
		return 0
	}
	return res[0]
}

func (in instance) memory() []byte {
	b, _ := in.Memory().Read(0, in.Memory().Size())
	return b
}

func (in instance) marks() Marks {
	m := Marks{Low: uint64(in.global(LowGlobal)), High: uint64(in.global(HighGlobal))}
	if in.res.Masks == 1 {
		m.High = ^uint64(0)
	}
	return m
}

func (in instance) clearMarks() {
	in.setGlobal(LowGlobal, 0)
	in.setGlobal(HighGlobal, 0)
}

var _ api.Module = instance{}
