package wasm

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/sdk/abi"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// importRow is an import that is called in a loop with these arguments.
type importRow struct {
	name string
	of   string
	args string // of the call, as text
	once string // before the loop
}

// importRows are every import that returns, with nothing, and those that are given
// bytes with as many as they take.
func importRows() []importRow {
	const (
		all    = "(i32.const 65536)"
		zero   = "(i32.const 0) "
		fill   = "(memory.fill (i32.const 0) (i32.const %d) (i32.const 65536))"
		vector = "(memory.fill (i32.const 0) (i32.const %d) (i32.const 20000)) (i32.store (i32.const 20004) (i32.const 20000)) (i32.store (i32.const 20012) (i32.const 20000))"
	)
	var rows []importRow
	for _, f := range abi.Imports() {
		if f.Name == "fail" || f.Name == "abort" || f.Name == "proc_exit" {
			continue // it ends the call
		}
		args := strings.NewReplacer("i", zero, "I", "(i64.const 0) ").Replace(f.Params)
		rows = append(rows, importRow{name: f.Name + " of nothing", of: f.Name, args: args})
	}
	text := fmt.Sprintf(fill, 'a')
	return append(
		rows,
		importRow{"get of a name", "get", "(i32.const 0) (i32.const 13) (i32.const 100) (i32.const 1000)", `(memory.copy (i32.const 0) (i32.const 65000) (i32.const 13))`},
		importRow{"get of names that change", "get", "(i32.const 60000) (i32.const 256) (i32.const 100) (i32.const 1000)", text},
		importRow{"get into all memory", "get", zero + "(i32.const 1) " + zero + all, text},
		importRow{"get of all memory", "get", zero + all + zero + zero, text},
		importRow{"set of 1,024 bytes", "set", zero + "(i32.const 32) (i32.const 64) (i32.const 1024)", text},
		importRow{"set of names that change", "set", "(i32.const 60001) (i32.const 8) (i32.const 64) (i32.const 1)", text},
		importRow{"set of all memory", "set", zero + all + zero + all, text},
		importRow{"reject of all memory", "reject", zero + zero + all, text},
		importRow{"log of all memory", "log", "(i32.const 1) " + zero + all, text},
		importRow{"log of 512 bytes that are none of text", "log", "(i32.const 3) " + zero + "(i32.const 512)", fmt.Sprintf(fill, 255)},
		importRow{"random_get of 4,096 bytes", "random_get", zero + "(i32.const 4096)", ""},
		importRow{"random_get of more", "random_get", zero + all, ""},
		importRow{"fd_write of 64 vectors of nothing", "fd_write", "(i32.const 1) (i32.const 30000) (i32.const 64) (i32.const 60000)", ""},
		importRow{"fd_write of two vectors of 20,000 letters", "fd_write", "(i32.const 1) (i32.const 20000) (i32.const 2) (i32.const 60000)", fmt.Sprintf(vector, 'a')},
		importRow{"fd_write of two vectors of 20,000 lines", "fd_write", "(i32.const 2) (i32.const 20000) (i32.const 2) (i32.const 60000)", fmt.Sprintf(vector, '\n')},
		importRow{"poll_oneoff of 64", "poll_oneoff", "(i32.const 1000) (i32.const 20000) (i32.const 64) (i32.const 60000)", text},
		importRow{"clock_time_get into memory", "clock_time_get", zero + "(i64.const 0) (i32.const 100)", ""},
	)
}

// importGuest calls an import as often as its head says, and counts in memory.
func importGuest(b *testing.B, row importRow) string {
	b.Helper()
	for _, f := range abi.Imports() {
		if f.Name != row.of {
			continue
		}
		types := strings.NewReplacer("i", " i32", "I", " i64").Replace
		call := "(call $f " + row.args + ")"
		if f.Results != "" {
			call = "(drop " + call + ")"
		}
		return guest(b, fmt.Sprintf(`(import %q %q (func $f (param%s) (result%s))) (data (i32.const 65000) "conn.nothing!")`, f.Module, f.Name, types(f.Params), types(f.Results)),
			fmt.Sprintf(`(local $n i32) (local.set $n (i32.load (local.get $head))) %s
			(loop $l
				(i32.store8 (i32.const 60001) (i32.or (i32.const 97) (i32.and (local.get $n) (i32.const 15))))
				(i32.store8 (i32.const 60002) (i32.or (i32.const 97) (i32.and (i32.shr_u (local.get $n) (i32.const 4)) (i32.const 15))))
				(i32.store8 (i32.const 60003) (i32.or (i32.const 97) (i32.and (i32.shr_u (local.get $n) (i32.const 8)) (i32.const 15))))
				%s
				(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
			(i32.const 0)`, row.once, call))
	}
	b.Fatalf("there is no import %s", row.of)
	return ""
}

// BenchmarkFuelOfImports is BenchmarkFuel of package rewrite for what the host does:
// each import in a loop, as often as the fuel of an evaluation allows.
func BenchmarkFuelOfImports(b *testing.B) {
	for _, row := range importRows() {
		b.Run(row.name, func(b *testing.B) {
			k := newBench(b)
			in, m := instanceOf(b, k, importGuest(b, row))
			f := matchtest.TCP()
			f.Bind(&keeper{})
			f.Head = make([]byte, 4)
			call := func(n int64) (time.Duration, int64) {
				binary.LittleEndian.PutUint32(f.Head, uint32(n))
				begin := threadTime()
				_, used, err := in.evaluate(m, &f, 1<<40)
				if err != nil {
					b.Fatal(err)
				}
				return threadTime() - begin, used
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			_, one := call(1)
			_, two := call(2)
			rounds := max((defaultFuel-one)/(two-one), 1)
			least, units := time.Hour, int64(1)
			for b.Loop() {
				d, used := call(rounds)
				least, units = min(least, d), used
			}
			b.ReportMetric(float64(least.Nanoseconds())/float64(units), "ns/unit")
			b.ReportMetric(float64(two-one), "units/call")
		})
	}
}

// instanceOf returns an instance of a module for the caller alone.
func instanceOf(t testing.TB, k *bench, path string) (*instance, *Matcher) {
	t.Helper()
	m := k.must(path, "x")
	in, err := m.module.pool.get()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.module.pool.put(in) })
	return in, m
}
