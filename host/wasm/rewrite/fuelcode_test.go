package rewrite

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// stallFuelRows are what a processor cannot foresee: branches by chance, stores that
// are read back in another width, accesses across two pages.
func stallFuelRows() []fuelRow {
	chance := code{}.get(2).i64(6_364_136_223_846_793_005).op(0x7e).i64(1_442_695_040_888_963_407).op(opI64Add).tee(2)
	eighth := append(chance[:len(chance):len(chance)], code{}.i64(61).op(opI64ShrU, opI32Wrap)...)
	other := func(g *guest) { // 3 … 10 do something else each, and fill a table
		var all []uint32
		for i := range int32(8) {
			all = append(all, g.fn("", ":", "", code{}.load(0).i64(int64(i)).op(opI64Add).store(0)))
		}
		g.elem(all...)
	}
	var arms code
	for i := range int32(8) {
		arms = arms.op(opEnd).load(0).i64(int64(i)).op(opI64Add).store(0)
	}
	return []fuelRow{
		{name: "br_if by chance", times: 10, body: slices.Concat(code{opBlock, emptyBlock}, chance, code{}.i64(0).op(opI64LtS).brIf(0).load(0).i64(1).op(opI64Add).store(0).op(opEnd))},
		{name: "br_table by chance", times: 10, body: slices.Concat(repeat(8, code{opBlock, emptyBlock}), eighth, code{0x0e, 7, 0, 1, 2, 3, 4, 5, 6, 7}, arms)},
		{name: "call_indirect by chance", times: 10, guest: other, body: append(eighth[:len(eighth):len(eighth)], 0x11, 0, 0)},
		{name: "store and wider load", times: 10, body: code{}.i32(256).get(1).op(0x3a, 0, 1).i32(256).op(0x28, 0, 0).set(1)},
		{name: "load across pages serial", times: 10, start: 4095, body: code{}.get(1).i32(0xfff).op(0x71).i32(0xffd).op(0x72, 0x28, 0, 0).set(1)},
		{name: "store across pages", times: 10, body: code{}.i32(4094).get(1).op(0x36, 0, 0)},
		{name: "const and store", times: 20, body: code{}.i32(70_000).get(1).op(0x36, 0, 0)},
	}
}

// BenchmarkFuelOnce runs rows as straight code, as much of it as the fuel of one
// evaluation buys, so that nothing runs twice: what a class takes in the caches of
// code counts, too. A first call finds its code in no cache at all, and is reported
// beside it.
func BenchmarkFuelOnce(b *testing.B) {
	for _, row := range straightRows() {
		b.Run(row.name, func(b *testing.B) { benchmarkStraight(b, row) })
	}
}

// straightRows are the rows whose code is long for what it costs, or branches.
func straightRows() []fuelRow {
	names := []string{
		"nop", "add serial", "i32.div_s serial", "i64.div_s serial", "i64.rem_u serial", "global.get and set", "load serial",
		"load that misses", "store that misses", "i32.store", "i32.store8 with offset", "i64.store, one mask", "const and store",
		"br_if not taken", "br_table", "br_if by chance", "br_table by chance", "call_indirect by chance",
		"i32.trunc_f64_s", "i64.trunc_f64_u", "trunc_sat serial", "f64.convert_i64_u serial", "f64.min serial", "f64.copysign serial",
		"vector 98 serial", "vector 107 serial", "vector 108 serial", "vector 204 serial", "vector 213 serial", "vector 249 serial", "vector 251 serial", "vector 255 serial",
		"v128.store", "v128.load_lane", "v128.store_lane", "shuffle serial", "replace_lane serial",
		"call", "call of wide signatures", "call_indirect", "memory.fill of 15", "memory.copy of 15", "memory.size", "ref.func", "table.get",
	}
	return slices.DeleteFunc(fuelRows(), func(r fuelRow) bool { return !slices.Contains(names, r.name) })
}

func benchmarkStraight(b *testing.B, row fuelRow) {
	const budget = 500_000 // units: what an evaluation has by default
	r := newRuntime(b, wazero.NewRuntimeConfigCompiler())
	one, _ := straight(b, r, row, 1)
	n := min(max(budget/int(one.spend()), 1), 64)
	in, call := straight(b, r, row, n)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	first := call()
	least := time.Hour
	for b.Loop() {
		least = min(least, call())
	}
	b.ReportMetric(float64(least.Nanoseconds())/float64(in.used()), "ns/unit")
	b.ReportMetric(float64(first.Nanoseconds())/float64(in.used()), "first-ns/unit")
	b.ReportMetric(float64(in.used()), "units")
}

// spend runs it once and says what it took.
func (in instance) spend() int64 {
	in.must("run", 64)
	return in.used()
}

// straight is a module of n functions that repeat a row, and how to call them all.
func straight(b *testing.B, r wazero.Runtime, row fuelRow, n int) (instance, func() time.Duration) {
	b.Helper()
	g := rowModule(row)
	times := 10_000 / len(row.body)
	if strings.HasPrefix(row.name, "br_") {
		times /= 10 // compiling branches takes more than linear time
	}
	body := append(rowSetup(row), repeat(times, row.body)...)
	// What is never used would not be compiled.
	body = body.i32(0).get(1).op(0x36, 0, 0).i32(8).get(2).op(0x37, 0, 0).i32(16).get(3).op(0x39, 0, 0).
		i32(24).get(4).op(0x38, 0, 0).i32(32).get(5).op(vectorPrefix, 11, 0, 0)
	var all code
	for range n {
		all = all.get(0).op(0x10).u32(g.fn("", "i:", "ildfv"+row.locals, body))
	}
	g.fn("run", "i:", "", all)
	in := instantiate(b, r, g, Options{Limits: Limits{Squares: math.MaxInt}})
	f := in.ExportedFunction("run")
	return in, func() time.Duration {
		in.setGlobal(FuelGlobal, plenty)
		in.setGlobal(StackGlobal, DefaultStack)
		begin := threadTime()
		if _, err := f.Call(context.Background(), 64); err != nil {
			b.Fatal(fmt.Errorf("%s: %w", strings.TrimSpace(row.name), err))
		}
		return threadTime() - begin
	}
}
