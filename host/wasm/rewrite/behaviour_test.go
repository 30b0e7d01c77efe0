package rewrite

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
)

func TestFrozenModulesKeepTheirShape(t *testing.T) {
	t.Parallel()
	null := code{0xd0, byte(FuncRef)}
	g := newGuest()
	g.table(4)
	nop := g.fn("", ":", "", nil)
	elem, data := g.passiveElem(nop), g.passiveData("secret")
	zeros := code{}.i32(0).i32(0).i32(0)
	g.fn("memory.grow", "i:i", "", code{}.get(0).op(opMemoryGrow, 0))
	changes := map[string]code{
		"table.set":  append(code{}.i32(0), null...).op(0x26, 0),
		"table.grow": append(append(code{}, null...).i32(1).op(miscPrefix, 15, 0), 0x1a),
		"table.fill": append(code{}.i32(0), null...).i32(1).op(miscPrefix, 17, 0),
		"table.copy": zeros.op(miscPrefix, 14, 0, 0),
		"table.init": zeros.op(miscPrefix, 12, byte(elem), 0),
		"elem.drop":  {miscPrefix, 13, byte(elem)},
		"data.drop":  {miscPrefix, 9, byte(data)},
	}
	for name, c := range changes {
		g.fn(name, ":", "", c)
	}
	uses := map[string]code{
		"table.get":   code{}.i32(0).op(0x25, 0, 0x1a),
		"table.size":  {miscPrefix, 16, 0, 0x1a},
		"memory.init": zeros.op(miscPrefix, 8, byte(data), 0),
		"memory.fill": zeros.op(miscPrefix, 11, 0),
		"memory.copy": zeros.op(miscPrefix, 10, 0, 0),
	}
	for name, c := range uses {
		g.fn(name, ":", "", c)
	}
	each(t, func(t *testing.T, r wazero.Runtime) {
		in := instantiate(t, r, g, Options{})
		if got := in.must("memory.grow", 2); got != 1 {
			t.Fatalf("memory.grow before freezing answers %d", got)
		}
		for _, all := range []map[string]code{uses, changes} { // a dropped segment cannot be used
			for name := range all {
				if !strings.HasSuffix(name, "drop") {
					in.must(name)
				}
			}
		}
		in.setGlobal(FrozenGlobal, Frozen)
		if got := uint32(in.must("memory.grow", 1)); got != 1<<32-1 || in.Memory().Size() != 3<<16 {
			t.Errorf("memory.grow after freezing answers %d, the memory has %d bytes", got, in.Memory().Size())
		}
		if in.used() > fuelGrow+fuelEntry+10 {
			t.Errorf("what does not happen costs %d", in.used())
		}
		for name := range changes {
			if _, err := in.call(name); err == nil || in.global(FrozenGlobal) != Violated {
				t.Errorf("%s: %v, and the global says %d", name, err, in.global(FrozenGlobal))
			}
			in.setGlobal(FrozenGlobal, Frozen)
		}
		for name := range uses {
			in.must(name)
		}
	})
}

func TestRecursionEndsByStackSlots(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, signature, locals string
		slots                   int64 // of one frame
	}{
		{"small frames", "i:", "", 1 + 2 + 4},
		{"big frames", "i:", strings.Repeat("v", 2_000), 1 + 2_000 + 2 + 4},
		{"wide signatures", strings.Repeat("i", 64) + ":" + strings.Repeat("i", 16), "", 64 + 16 + 64 + 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuest()
			depth := g.global(I32, true, code{}.i32(0))
			body := code{}.load(depth).i32(1).op(opI32Add).store(depth)
			for i := range sig(tt.signature).Params {
				body = body.get(uint32(i))
			}
			g.fn("f", tt.signature, tt.locals, append(body, 0x10, 0))
			r := newRuntime(t, wazero.NewRuntimeConfigCompiler())
			in := instantiate(t, r, g, Options{})
			_, err := in.call("f", make([]uint64, len(sig(tt.signature).Params))...)
			if err == nil || in.global(StackGlobal) >= 0 || in.global(FuelGlobal) < 0 {
				t.Fatalf("%v with %d slots and %d units of fuel left", err, in.global(StackGlobal), in.global(FuelGlobal))
			}
			if got, want := in.global(in.res.Globals[0]), DefaultStack/tt.slots; got != want {
				t.Errorf("%d frames, want %d", got, want)
			}
		})
	}
}

// However a function is left, it gives back what it took.
func TestEveryWayOutGivesTheSlotsBack(t *testing.T) {
	t.Parallel()
	g := newGuest()
	g.fn("leaf", ":", "", nil)
	call := code{0x10, 0}
	for name, body := range map[string]code{
		"the end":           code{}.i32(1),
		"return":            code{}.i32(1).op(opReturn),
		"return from deep":  code{opBlock, emptyBlock, 0x03, emptyBlock}.i32(5).i32(1).op(opReturn, opEnd, opEnd).i32(2),
		"a branch":          code{opBlock, emptyBlock}.i32(1).br(1).op(opEnd).i32(2),
		"a condition":       code{opBlock, emptyBlock}.i32(1).i32(1).brIf(1).op(0x1a, opEnd).i32(2),
		"a table":           code{opBlock, emptyBlock}.i32(1).i32(7).op(0x0e, 1, 1, 1, opEnd).i32(2),
		"return and return": code{}.i32(1).op(opReturn, opReturn),
	} {
		g.fn(name, ":i", "", append(call[:2:2], body...))
	}
	g.fn("several", ":ilv", "", append(call[:2:2], append(code{}.i32(1).i64(2), append(code{vectorPrefix, 12}, make([]byte, 16)...)...).op(opReturn)...))
	each(t, func(t *testing.T, r wazero.Runtime) {
		in := instantiate(t, r, g, Options{})
		for _, e := range in.res.Exports {
			if e.Kind != Function {
				continue
			}
			if got := in.must(e.Name); e.Name != "leaf" && got != 1 {
				t.Errorf("%s: %d", e.Name, got)
			}
			if left := in.global(StackGlobal); left != DefaultStack {
				t.Errorf("%s: %d slots left of %d", e.Name, left, DefaultStack)
			}
		}
	})
}

// The counts are worked out by hand from the schedule.
func TestFuelIsWhatTheScheduleSays(t *testing.T) {
	t.Parallel()
	countDown := code{0x03, emptyBlock}.get(0).i32(1).op(0x6b).tee(0).brIf(0).op(opEnd)
	mb := code{}.i32(0).i32(0).i32(1000).op(miscPrefix, 11, 0)
	dear := repeat(30, code{}.get(0).op(0x1a)) // 60 units
	tests := []struct {
		name, signature string
		body            code
		arg             uint64
		want            int64
	}{
		{"an empty function", ":", nil, 0, 16 + 1},
		{"parameters and results", "i:i", code{}.get(0), 9, 16 + 2 + 2},
		{"three rounds of a loop", "i:", countDown, 3, 16 + 1 + 2 + 3*(8+6)},
		{"a division", "i:i", code{}.get(0).i32(3).op(0x6d), 9, 18 + 4 + 12},
		{"a square root", "d:d", code{}.get(0).op(0x9f), 9, 18 + 3 + 16},
		{"a load", "i:i", code{}.get(0).op(0x2d, 0, 0), 9, 18 + 3 + 16},
		{"a store", "i:", code{}.get(0).get(0).op(0x36, 0, 0), 9, 17 + 4 + 12},
		{"a conversion", "d:i", code{}.get(0).op(0xaa), 9, 18 + 3 + 24},
		{"a table of branches", "i:", code{}.get(0).op(0x0e, 1, 0, 0), 9, 17 + 2 + 16},
		{"a reference", ":", code{0xd2, 0, 0x1a}, 0, 16 + 3 + 300},
		{"a filled kilobyte", ":", mb, 0, 16 + 5 + 120 + 1000/8},
		{"growing by two pages", "i:i", code{}.get(0).op(opMemoryGrow, 0), 2, 18 + 3 + 500 + 2<<14},
		{"both arms of a small if", "i:", code{}.get(0).op(opIf, emptyBlock, 0x01, opElse, 0x01, 0x01, opEnd), 1, 17 + 8},
		{"an arm that does not run, of a small if", "i:", append(append(code{}.get(0).op(opIf, emptyBlock), dear[:18]...), opEnd), 0, 17 + 2 + 12 + 2},
		{"one arm of a dear if", "i:", append(append(code{}.get(0).op(opIf, emptyBlock), dear...), opElse, 0x01, 0x01, 0x01, opEnd), 0, 17 + 2 + 4 + 1},
		{"the other arm", "i:", append(append(code{}.get(0).op(opIf, emptyBlock), dear...), opElse, 0x01, 0x01, 0x01, opEnd), 1, 17 + 2 + 61 + 1},
		{"little behind a return", "i:", code{opReturn, 0x01}, 0, 17 + 1},
		{"nothing behind a return", "i:", append(code{opReturn}, dear...), 0, 17 + 1},
	}
	g := newGuest()
	for _, tt := range tests {
		g.fn(tt.name, tt.signature, "", tt.body)
	}
	g.elem()
	g.elems = []code{append(code{3, 0}, 1, 0)} // declares function 0, so that it may be referred to
	each(t, func(t *testing.T, r wazero.Runtime) {
		in := instantiate(t, r, g, Options{})
		for _, tt := range tests {
			args := []uint64{tt.arg}[:len(sig(tt.signature).Params)]
			if _, err := in.call(tt.name, args...); err != nil {
				t.Fatal(err)
			}
			if got := in.used(); got != tt.want {
				t.Errorf("%s takes %d, want %d", tt.name, got, tt.want)
			}
		}
	})
}

func TestExhaustionTraps(t *testing.T) {
	t.Parallel()
	g := newGuest()
	g.fn("loop", ":", "", code{0x03, emptyBlock}.br(0).op(opEnd))
	g.fn("recursion", ":", "", code{0x10, 1, 0x10, 1})
	g.fn("fill", ":", "", code{}.i32(0).i32(0).i32(60_000).op(miscPrefix, 11, 0))
	g.fn("grow", ":", "", code{}.i32(100).op(opMemoryGrow, 0, 0x1a))
	dear := append(repeat(30, code{0xd2, 0, 0x1a}), code{}.i32(0).i32(7).op(0x36, 0, 0)...)
	g.fn("dear", ":", "", append(append(code{}.i32(1).op(opIf, emptyBlock, opBlock, emptyBlock), dear...), opEnd, opEnd))
	each(t, func(t *testing.T, r wazero.Runtime) {
		in := instantiate(t, r, g, Options{})
		for _, e := range in.res.Exports {
			if e.Kind != Function {
				continue
			}
			in.setGlobal(FuelGlobal, 1_000)
			in.setGlobal(StackGlobal, DefaultStack)
			_, err := in.ExportedFunction(e.Name).Call(t.Context())
			if err == nil || !strings.Contains(err.Error(), "unreachable") || in.global(FuelGlobal) >= 0 {
				t.Errorf("%s: %v with %d units left", e.Name, err, in.global(FuelGlobal))
			}
			if in.Memory().Size() != 1<<16 || in.memory()[0] != 0 {
				t.Errorf("%s: did it before it was paid", e.Name)
			}
		}
	})
}

func TestStartFunctionHasABudget(t *testing.T) {
	t.Parallel()
	g := newGuest()
	g.start = int(g.fn("", ":", "", code{0x03, emptyBlock}.br(0).op(opEnd)))
	res, err := Module(g.bytes(), Options{Fuel: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	_, err = newRuntime(t, wazero.NewRuntimeConfigCompiler()).Instantiate(t.Context(), res.Wasm)
	if err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("an endless start function: %v", err)
	}
}

func TestResultTellsWhatWasFound(t *testing.T) {
	t.Parallel()
	g := newGuest()
	log := g.importFunc("dwaar_v1", "log", "iii:")
	g.global(I32, false, code{}.i32(7))
	g.global(I64, true, code{}.i64(7))
	match := g.fn("dwaar_v1_match", "iii:i", "", code{}.i32(0))
	g.export("log", Function, log)
	g.custom(manifestTitle, []byte(`{"name":"x"}`))
	g.custom("producers", []byte("dropped"))
	names := code{2, 1}.text("ma\ttch\x1b[31m" + strings.Repeat("é", 99)).u32(77).text("nobody")
	g.custom(namesTitle, append(append(code{moduleNames}.sized(code{}.text("guest")), functionNames).sized(names), 2, 1, 0))
	res, err := Module(g.bytes(), Options{Imports: []Import{{"dwaar_v1", "log", sig("iii:")}}, Validate: validator(t)})
	if err != nil {
		t.Fatal(err)
	}
	want := &Result{
		Imports: []Import{{"dwaar_v1", "log", sig("iii:")}},
		Exports: []Export{
			{Name: "memory", Kind: Memory},
			{Name: "dwaar_v1_match", Kind: Function, Index: match, Type: sig("iii:i")},
			{Name: "log", Kind: Function, Index: log, Type: sig("iii:"), Imported: true},
		},
		Functions: 1, Pages: 1, MaxPages: 256, Manifest: []byte(`{"name":"x"}`), Name: "guest",
		Globals: []string{"\x00dwaar.g1"}, Masks: 1,
	}
	got := *res
	got.Wasm, got.names = nil, nil
	if diff := cmp.Diff(*want, got, cmp.AllowUnexported(Result{})); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if name := res.FunctionName(match); !strings.HasPrefix(name, "ma?tch?[31mé") || len(name) > maxName {
		t.Errorf("the function is called %q", name)
	}
	if bytes.Contains(res.Wasm, []byte("dropped")) || bytes.Contains(res.Wasm, []byte(manifestTitle)) {
		t.Error("custom sections are still there")
	}
	if err := validator(t)(res.Wasm); err != nil {
		t.Error(err)
	}
}

func TestMasksFollowTheMemory(t *testing.T) {
	t.Parallel()
	grow := code{}.i32(1).op(opMemoryGrow, 0, 0x1a)
	for _, tt := range []struct {
		name   string
		memory limits
		code   code
		want   int
	}{
		{"one page", limits{min: 1}, nil, 1},
		{"one page that grows", limits{min: 1}, grow, 2},
		{"one page that cannot grow", limits{min: 1, max: 1, bounded: true}, grow, 1},
		{"two pages", limits{min: 2}, nil, 2},
	} {
		g := newGuest()
		g.memories[0] = tt.memory
		g.fn("", ":", "", tt.code)
		res, err := Module(g.bytes(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if res.Masks != tt.want {
			t.Errorf("%s: %d masks, want %d", tt.name, res.Masks, tt.want)
		}
	}
}
