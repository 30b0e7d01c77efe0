package rewrite

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// BenchmarkFuel runs every class of instructions in a loop and reports what a unit
// of fuel takes at it: the schedule is good if no class stands out, since a budget
// bounds time only as well as the dearest of them. A row that ends in "serial"
// waits for each result, the others do not.
func BenchmarkFuel(b *testing.B) {
	names := make([]string, 0, len(fuelRows()))
	for _, row := range fuelRows() {
		names = append(names, row.name)
		b.Run(row.name, func(b *testing.B) { benchmarkRow(b, row) })
	}
	if slices.Sort(names); len(slices.Compact(names)) != len(fuelRows()) {
		b.Error("two rows have one name")
	}
}

// fuelRow is a loop: setup once, then body times the repetitions.
type fuelRow struct {
	name   string
	locals string // behind the counter and two values: i32 1, i64 2, f64 3, f32 4, v128 5
	body   code
	times  int
	rounds int            // of the loop, if 1,000 do not reach all of the memory
	guest  func(g *guest) // what else it needs, before the loop
	memory func(m []byte) // what is in its memory
	start  int32          // of the i32 value; 0 for one that is large
}

func benchmarkRow(b *testing.B, row fuelRow) {
	g := rowGuest(row)
	r := newRuntime(b, wazero.NewRuntimeConfigCompiler())
	in := instantiate(b, r, g, Options{})
	if row.memory != nil {
		row.memory(in.memory())
	}
	f := in.ExportedFunction("loop")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rounds := uint64(max(1_000, row.rounds))
	call := func() time.Duration {
		in.setGlobal(FuelGlobal, plenty)
		in.setGlobal(StackGlobal, DefaultStack)
		begin := threadTime()
		if _, err := f.Call(context.Background(), rounds); err != nil {
			b.Fatal(err)
		}
		return threadTime() - begin
	}
	call()
	least := time.Hour
	for b.Loop() {
		least = min(least, call())
	}
	b.ReportMetric(float64(least.Nanoseconds())/float64(in.used()), "ns/unit")
	b.ReportMetric(float64(in.used())/float64(rounds), "units/round")
}

// rowGuest runs a row in a loop.
func rowGuest(row fuelRow) *guest {
	g := rowModule(row)
	body := append(rowSetup(row), 0x03, emptyBlock)
	body = append(body, repeat(row.times, row.body)...).get(0).i32(1).op(0x6b).tee(0).brIf(0).op(opEnd)
	g.fn("loop", "i:", "ildfv"+row.locals, body)
	return g
}

// rowModule is what a row finds around it.
func rowModule(row fuelRow) *guest {
	g := newGuest()
	g.memories[0].min = 16
	g.global(I64, true, code{}.i64(0))
	g.fn("nop", ":", "", nil) // 0
	g.fn("wide", strings.Repeat("i", 64)+":"+strings.Repeat("i", 16), "", wideBody())
	g.fn("call", ":", "", code{0x10, 0})
	g.table(64)
	g.elem(0, 0)
	g.passiveElem(0, 0)
	g.passiveData(strings.Repeat("x", 1024))
	if row.guest != nil {
		row.guest(g)
	}
	return g
}

// rowSetup gives the locals their values.
func rowSetup(row fuelRow) code {
	return code{}.i64(0x7ffffff1).set(2).i32(cmp.Or(row.start, 0x7ffffff1)).set(1).
		op(opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f).set(3).op(opF32Const, 0, 0, 0xc0, 0x3f).set(4)
}

// wideBody returns 16 of 64 parameters.
func wideBody() code {
	var c code
	for i := range uint32(16) {
		c = c.get(i * 4)
	}
	return c
}

func fuelRows() []fuelRow {
	return slices.Concat(plainFuelRows(), stallFuelRows(), floatFuelRows(), vectorFuelRows(), callFuelRows(), bulkFuelRows())
}

func plainFuelRows() []fuelRow {
	binary32 := func(op byte) code { return code{}.get(1).i32(0x7fffff01).op(op).set(1) }
	divide := func(op byte) code { // the divisor is never 0 nor -1
		return code{}.i32(0x7fffff01).get(1).i32(0x70000001).op(0x72).i32(0x7fffffff).op(0x71, op).i32(0x7ffffff1).op(opI32Add).set(1)
	}
	divide64 := func(op byte) code {
		return code{}.i64(0x7fffffffffffff01).get(2).i64(0x7000000000000001).op(0x84).i64(0x7fffffffffffffff).op(0x83, op).i64(0x7ffffffffffffff1).op(0x7c).set(2)
	}
	largest := func(g *guest) { g.memories[0].min = DefaultLimits().MemoryPages }
	chase := func(pages uint32) fuelRow { // each load says where the next one is
		return fuelRow{
			name: fmt.Sprintf("pointers through %d KiB", pages*64), times: 30, rounds: int(pages) * 1024 / 30,
			guest:  func(g *guest) { g.memories[0].min = pages },
			memory: ring,
			body:   code{}.get(1).op(0x28, 0, 0).set(1), start: 64,
		}
	}
	address := code{}.get(1).i32(0xffff0).op(0x71)
	return []fuelRow{
		{name: "nothing", times: 0},
		{name: "nop", times: 30, body: code{0x01}},
		{name: "const and drop", times: 20, body: code{}.i32(7).op(0x1a)},
		{name: "add serial", times: 10, body: binary32(opI32Add)},
		{name: "multiply serial", times: 10, body: binary32(0x6c)},
		{name: "rotate serial", times: 10, body: binary32(0x77)},
		{name: "clz serial", times: 10, body: code{}.get(1).op(0x67).set(1)},
		{name: "popcnt serial", times: 10, body: code{}.get(2).op(0x7b).set(2)},
		{name: "select serial", times: 10, body: code{}.get(1).i32(5).get(0).op(opSelect).set(1)},
		{name: "i32.div_s serial", times: 10, body: divide(0x6d)},
		{name: "i32.rem_u serial", times: 10, body: divide(0x70)},
		{name: "i64.div_s serial", times: 10, body: divide64(0x7f)},
		{name: "i64.div_u serial", times: 10, body: divide64(0x80)},
		{name: "i64.rem_s serial", times: 10, body: divide64(0x81)},
		{name: "i64.rem_u serial", times: 10, body: divide64(0x82)},
		{name: "global.get and set", times: 10, body: code{}.load(0).i64(1).op(opI64Add).store(0)},
		{name: "load serial", times: 10, body: append(address[:len(address):len(address)], 0x28, 0, 0, opLocalSet, 1)},
		chase(1), chase(8), chase(16), chase(32), chase(64), chase(96), chase(128), chase(192), chase(DefaultLimits().MemoryPages),
		{name: "load that misses", times: 8, rounds: 30_000, guest: largest, body: code{}.
			get(1).i32(1_103_515_245).op(0x6c).i32(12_345).op(opI32Add).tee(1).i32(0xfffff0).op(0x71, 0x28, 0, 0).get(1).op(0x73).set(1)},
		{name: "store that misses", times: 8, rounds: 30_000, guest: largest, body: code{}.
			get(1).i32(1_103_515_245).op(0x6c).i32(12_345).op(opI32Add).tee(1).i32(0xfffff0).op(0x71).get(1).op(0x36, 0, 0)},
		{name: "i32.store", times: 20, body: code{}.get(0).get(1).op(0x36, 0, 0)},
		{name: "i32.store8 with offset", times: 20, body: code{}.get(0).get(1).op(0x3a, 0, 8)},
		{name: "i64.store, one mask", times: 20, guest: func(g *guest) { g.memories[0].min = 1 }, body: code{}.get(0).get(2).op(0x37, 0, 0)},
		{name: "memory.size", times: 20, body: code{0x3f, 0, 0x1a}},
		{name: "br_if not taken", times: 20, body: code{opBlock, emptyBlock}.i32(0).brIf(0).op(opEnd)},
		{name: "br_table", times: 10, body: append(repeat(8, code{opBlock, emptyBlock}), append(code{}.get(0).i32(7).op(0x71, 0x0e, 7, 0, 1, 2, 3, 4, 5, 6, 7), repeat(8, code{opEnd})...)...)},
		{name: "nested loops", times: 10, body: code{0x03, emptyBlock, opEnd}},
		{name: "ref.func", times: 10, body: code{0xd2, 0, 0x1a}},
		{name: "ref.null and is_null", times: 10, body: code{0xd0, 0x70, 0xd1, 0x1a}},
	}
}

// ring links all cache lines of a memory in random order.
func ring(m []byte) {
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(m) / 64)
	for i, at := range order {
		binary.LittleEndian.PutUint32(m[at*64:], uint32(order[(i+1)%len(order)]*64))
	}
}

func floatFuelRows() []fuelRow {
	var rows []fuelRow
	for _, u := range []struct {
		name string
		op   byte
	}{
		{"abs", 0x99}, {"neg", 0x9a}, {"ceil", 0x9b}, {"floor", 0x9c}, {"trunc", 0x9d}, {"nearest", 0x9e}, {"sqrt", 0x9f},
	} {
		rows = append(
			rows,
			fuelRow{name: "f64." + u.name + " serial", times: 10, body: code{}.get(3).op(u.op).set(3)},
			fuelRow{name: "f32." + u.name + " serial", times: 10, body: code{}.get(4).op(u.op - 14).set(4)},
		)
	}
	for _, u := range []struct {
		name string
		op   byte
	}{{"add", 0xa0}, {"sub", 0xa1}, {"mul", 0xa2}, {"div", 0xa3}, {"min", 0xa4}, {"max", 0xa5}, {"copysign", 0xa6}} {
		one := code{opF64Const, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}
		rows = append(
			rows,
			fuelRow{name: "f64." + u.name + " serial", times: 10, body: append(append(code{}, one...).get(3), u.op, opLocalSet, 3)},
			fuelRow{name: "f32." + u.name + " serial", times: 10, body: append(code{opF32Const, 0, 0, 0x80, 0x3f}.get(4), u.op-14, opLocalSet, 4)},
		)
	}
	return append(
		rows,
		fuelRow{name: "f64 compare", times: 10, body: code{}.get(3).get(3).op(0x63, opLocalSet, 1)},
		fuelRow{name: "f64.div that is denormal", times: 10, body: code{opF64Const, 1, 0, 0, 0, 0, 0, 0, 0, opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0xa3, 0x1a}},
		fuelRow{name: "f64.mul that is denormal", times: 10, body: code{}.get(3).op(opF64Const, 3, 0, 0, 0, 0, 0, 0x10, 0).op(0xa2).op(opF64Const, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f).op(0xa2, opLocalSet, 3)},
		fuelRow{name: "i32.trunc_f64_s", times: 10, body: code{}.get(3).op(0xaa, opLocalSet, 1)},
		fuelRow{name: "i64.trunc_f64_u", times: 10, body: code{}.get(3).op(0xb1, opLocalSet, 2)},
		fuelRow{name: "trunc_sat serial", times: 10, body: code{}.get(3).op(miscPrefix, 7, 0xba, opLocalSet, 3)},
		fuelRow{name: "trunc_sat_f32 serial", times: 10, body: code{}.get(4).op(miscPrefix, 1, 0xb3, opLocalSet, 4)},
		fuelRow{name: "f64.convert_i64_u serial", times: 10, body: code{}.get(2).op(0xba, 0xb1, opLocalSet, 2)},
		fuelRow{name: "reinterpret serial", times: 10, body: code{}.get(3).op(0xbd, 0xbf, opLocalSet, 3)},
		fuelRow{name: "demote and promote serial", times: 10, body: code{}.get(3).op(0xb6, 0xbb, opLocalSet, 3)},
	)
}

func vectorFuelRows() []fuelRow {
	var rows []fuelRow
	table := newInstructions()
	for op := range 256 {
		in := table.vector[op]
		if !in.known || in.operands[0] != noOperand {
			continue
		}
		body := repeat(int(in.pop), code{}.get(5)).op(vectorPrefix).u32(uint32(op))
		switch {
		case op >= 15 && op <= 20: // splats take a number
			body = code{}.get([]uint32{1, 1, 1, 2, 4, 3}[op-15]).op(vectorPrefix, byte(op)).set(5)
		case slices.Contains([]int{83, 99, 100, 131, 132, 163, 164, 195, 196}, op): // tests return one
			body = body.set(1)
		case (op >= 107 && op <= 109) || (op >= 139 && op <= 141) || (op >= 171 && op <= 173) || (op >= 203 && op <= 205):
			body = code{}.get(5).get(1).op(vectorPrefix).u32(uint32(op)).set(5) // shifts
		default:
			body = body.set(5)
		}
		rows = append(rows, fuelRow{name: fmt.Sprintf("vector %d serial", op), times: 10, body: body})
	}
	zero := code{}.i32(0)
	return append(
		rows,
		fuelRow{name: "v128.load", times: 10, body: append(zero[:2:2], vectorPrefix, 0, 0, 0, opLocalSet, 5)},
		fuelRow{name: "v128.store", times: 10, body: zero[:2:2].get(5).op(vectorPrefix, 11, 0, 0)},
		fuelRow{name: "v128.load_lane", times: 10, body: zero[:2:2].get(5).op(vectorPrefix, 84, 0, 0, 3).set(5)},
		fuelRow{name: "v128.store_lane", times: 10, body: zero[:2:2].get(5).op(vectorPrefix, 91, 0, 0, 1)},
		fuelRow{name: "shuffle serial", times: 10, body: append(code{}.get(5).get(5).op(vectorPrefix, 13), 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31, opLocalSet, 5)},
		fuelRow{name: "v128.const", times: 10, body: append(append(code{vectorPrefix, 12}, "0123456789abcdef"...), opLocalSet, 5)},
		fuelRow{name: "extract_lane", times: 10, body: code{}.get(5).op(vectorPrefix, 21, 3).set(1)},
		fuelRow{name: "replace_lane serial", times: 10, body: code{}.get(5).get(1).op(vectorPrefix, 23, 3).set(5)},
	)
}

func callFuelRows() []fuelRow {
	wide := repeat(64, code{}.i32(1))
	frame := func(g *guest) { // 4: 2,000 live vectors behind a branch
		var body code
		for i := range uint32(500) {
			body = body.i32(0).op(vectorPrefix, 0, 0, 0).set(i + 1)
		}
		body = code{}.get(0).op(opIf, emptyBlock).op(body...).op(0x10, 0)
		for i := range uint32(500) {
			body = body.i32(0).get(i+1).op(vectorPrefix, 11, 0, 0)
		}
		g.fn("frame", "i:", strings.Repeat("v", 500), append(body, opEnd))
	}
	deep := func(g *guest) { // 3: a call that calls itself 1,000 times
		g.fn("deep", "i:", "", code{}.get(0).op(opIf, emptyBlock).get(0).i32(1).op(0x6b, 0x10, 3, opEnd))
	}
	fib := func(g *guest) {
		g.fn("fib", "i:i", "", code{}.get(0).i32(2).op(0x49, opIf, byte(I32)).get(0).op(opElse).
			get(0).i32(1).op(0x6b, 0x10, 3).get(0).i32(2).op(0x6b, 0x10, 3, opI32Add, opEnd))
	}
	return []fuelRow{
		{name: "call", times: 10, body: code{0x10, 0}},
		{name: "call of a caller", times: 10, body: code{0x10, 2}},
		{name: "call of wide signatures", times: 2, body: append(append(wide, 0x10, 1), repeat(16, code{0x1a})...)},
		{name: "call_indirect", times: 10, body: append(code{}.i32(0), 0x11, 0, 0)},
		{name: "big frame behind a branch", times: 1, guest: frame, body: code{}.i32(0).op(0x10, 3)},
		{name: "recursion of 1,000", times: 1, guest: deep, body: code{}.i32(1_000).op(0x10, 3)},
		{name: "recursion in two", times: 1, guest: fib, body: code{}.i32(12).op(0x10, 3, 0x1a)},
	}
}

func bulkFuelRows() []fuelRow {
	var rows []fuelRow
	for _, n := range []int32{0, 1, 15, 64, 1_000, 4_096, 65_536, 500_000} {
		rows = append(
			rows,
			fuelRow{name: fmt.Sprintf("memory.fill of %d", n), times: 2, body: code{}.i32(64).i32(7).i32(n).op(miscPrefix, 11, 0)},
			fuelRow{name: fmt.Sprintf("memory.copy of %d", n), times: 2, body: code{}.i32(64).i32(520_000).i32(n).op(miscPrefix, 10, 0, 0)},
			fuelRow{name: fmt.Sprintf("overlapping memory.copy of %d", n), times: 2, body: code{}.i32(65).i32(64).i32(n).op(miscPrefix, 10, 0, 0)},
		)
	}
	for _, n := range []int32{0, 1_000} {
		rows = append(rows, fuelRow{name: fmt.Sprintf("memory.init of %d", n), times: 2, body: code{}.i32(64).i32(0).i32(n).op(miscPrefix, 8, 0, 0)})
	}
	big := func(g *guest) { g.table(60_000) } // table 1
	for _, n := range []int32{0, 1, 16, 60_000} {
		rows = append(
			rows,
			fuelRow{name: fmt.Sprintf("table.fill of %d", n), guest: big, times: 2, body: code{}.i32(0).op(0xd0, 0x70).i32(n).op(miscPrefix, 17, 1)},
			fuelRow{name: fmt.Sprintf("table.copy of %d", n), guest: big, times: 2, body: code{}.i32(0).i32(0).i32(n).op(miscPrefix, 14, 1, 1)},
		)
	}
	return append(
		rows,
		fuelRow{name: "table.get", times: 10, body: code{}.i32(0).op(0x25, 0, 0x1a)},
		fuelRow{name: "table.set", times: 10, body: code{}.i32(0).op(0xd0, 0x70, 0x26, 0)},
		fuelRow{name: "table.size", times: 10, body: code{miscPrefix, 16, 0, 0x1a}},
		fuelRow{name: "table.init of 2", times: 2, body: code{}.i32(0).i32(0).i32(2).op(miscPrefix, 12, 1, 0)},
		fuelRow{name: "table.grow by 0", times: 2, body: code{0xd0, 0x70}.i32(0).op(miscPrefix, 15, 0, 0x1a)},
		fuelRow{name: "table.grow by 1", times: 1, body: code{0xd0, 0x70}.i32(1).op(miscPrefix, 15, 0, 0x1a)},
		fuelRow{name: "table.grow by 10,000", guest: big, times: 1, body: code{0xd0, 0x70}.i32(10_000).op(miscPrefix, 15, 1, 0x1a)},
		fuelRow{name: "memory.grow by 0", times: 2, body: code{}.i32(0).op(opMemoryGrow, 0, 0x1a)},
		fuelRow{name: "memory.grow by 1", times: 1, body: code{}.i32(1).op(opMemoryGrow, 0, 0x1a)},
		fuelRow{name: "data.drop and elem.drop", times: 5, body: code{miscPrefix, 9, 0, miscPrefix, 13, 1}},
	)
}
