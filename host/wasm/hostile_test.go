package wasm

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// hostile are bodies of match that do something bad when the head begins with "!",
// and what is said of it. For another head each goes on with what sane does.
func hostile() map[string]struct{ more, body, want string } {
	return map[string]struct{ more, body, want string }{
		"an endless loop": {"", "(loop $l (br $l))", "it took more fuel than it may"},
		"endless recursion": {
			"(func $r (param i32) (result i32) (i32.add (call $r (local.get 0)) (call $r (local.get 0))))",
			"(drop (call $r (i32.const 1)))", "its calls are nested too deep",
		},
		"a trap":                        {"", "(unreachable)", "it trapped: unreachable"},
		"a division by zero":            {"", "(drop (i32.div_u (i32.const 1) (i32.const 0)))", "it trapped: integer divide by zero"},
		"a load outside":                {"", "(drop (i32.load (i32.const 65533)))", "it trapped: out of bounds memory access"},
		"fail":                          {`(import "dwaar_v1" "fail" (func $f (param i32 i32)))`, `(call $f (i32.const 0) (i32.const 4))`, "it failed: ?]0;"},
		"a bad pointer to set":          {`(import "dwaar_v1" "set" (func $s (param i32 i32 i32 i32) (result i32)))`, "(drop (call $s (i32.const 0) (i32.const 4) (i32.const -1) (i32.const 2)))", "it gave an address outside of its memory"},
		"a bad pointer to get":          {`(import "dwaar_v1" "get" (func $s (param i32 i32 i32 i32) (result i32)))`, "(drop (call $s (i32.const 65535) (i32.const 2) (i32.const 0) (i32.const 0)))", "it gave an address outside of its memory"},
		"a set of all memory":           {`(import "dwaar_v1" "set" (func $s (param i32 i32 i32 i32) (result i32)))`, "(loop $l (drop (call $s (i32.const 0) (i32.const 65536) (i32.const 0) (i32.const 65536))) (br $l))", "it took more fuel than it may"},
		"a log without end":             {`(import "dwaar_v1" "log" (func $s (param i32 i32 i32)))`, "(loop $l (call $s (i32.const 3) (i32.const 0) (i32.const 65536)) (br $l))", "it took more fuel than it may"},
		"empty calls without end":       {`(import "dwaar_v1" "log" (func $s (param i32 i32 i32)))`, "(loop $l (call $s (i32.const 0) (i32.const 0) (i32.const 0)) (br $l))", "it took more fuel than it may"},
		"reject outside of init":        {`(import "dwaar_v1" "reject" (func $s (param i32 i32 i32)))`, "(loop $l (call $s (i32.const 0) (i32.const 0) (i32.const 9999)) (br $l))", "it took more fuel than it may"},
		"random numbers without end":    {`(import "wasi_snapshot_preview1" "random_get" (func $s (param i32 i32) (result i32)))`, "(loop $l (drop (call $s (i32.const 0) (i32.const 4096))) (br $l))", "it took more fuel than it may"},
		"proc_exit":                     {`(import "wasi_snapshot_preview1" "proc_exit" (func $s (param i32)))`, "(call $s (i32.const 0))", "it called proc_exit"},
		"abort":                         {`(import "env" "abort" (func $s (param i32 i32 i32 i32)))`, "(call $s (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 4))", "it aborted at line 3, column 4: without a message"},
		"a table after init":            {"(table 2 funcref)", "(table.set 0 (i32.const 1) (ref.null func))", "it tried to change a table or a segment after init"},
		"a vector of bad pointers":      {`(import "wasi_snapshot_preview1" "fd_write" (func $s (param i32 i32 i32 i32) (result i32)))`, "(memory.fill (i32.const 0) (i32.const 255) (i32.const 512)) (drop (call $s (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0)))", "it gave an address outside of its memory"},
		"events where there is no room": {`(import "wasi_snapshot_preview1" "poll_oneoff" (func $s (param i32 i32 i32 i32) (result i32)))`, "(drop (call $s (i32.const 0) (i32.const 65000) (i32.const -1) (i32.const 0)))", "it gave an address outside of its memory"},
	}
}

// sane counts what it finds in memory, globals and size: 1 in an instance that is as
// it began.
const sane = `
	(memory.fill (i32.const 100) (i32.const 7) (i32.const 30000))
	(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
	(i32.store (i32.const 60000) (i32.add (i32.load (i32.const 60000)) (i32.const 1)))
	(i32.mul (i32.mul (global.get $seen) (i32.load (i32.const 60000))) (memory.size))`

// dirty writes everywhere before anything bad happens.
const dirty = `
	(memory.fill (i32.const 0) (i32.const 255) (i32.const 32768))
	(memory.fill (i32.const 55000) (i32.const 255) (i32.const 8000))
	(global.set $seen (i32.const 99))
	(memory.copy (i32.const 0) (i32.const 32760) (i32.const 0))`

func hostileGuest(t testing.TB, more, body string) string {
	t.Helper()
	return guest(t, more+"\n(global $seen (mut i32) (i32.const 0)) (data (i32.const 0) \"\\1b]0;\")",
		`(if (i32.eq (i32.load8_u (local.get $head)) (i32.const 33)) (then `+body+`)) `+sane)
}

// Each costs the one evaluation, and the instance then answers as a fresh one does.
func TestHostileGuestsHarmOneEvaluation(t *testing.T) {
	t.Parallel()
	for name, h := range hostile() {
		for _, mess := range []string{"", dirty} {
			t.Run(fmt.Sprintf("%s, dirty %t", name, mess != ""), func(t *testing.T) {
				t.Parallel()
				k := newBench(t)
				if name == "fail" {
					mess = "" // its message is in memory
				}
				m := k.must(hostileGuest(t, h.more, mess+h.body), "x")
				for range 3 {
					if diff := cmp.Diff("yes", ask(m, "sane").String()); diff != "" {
						t.Errorf("before (-want +got):\n%s", diff)
					}
					r := ask(m, "!")
					if r.Answer.Err == nil || r.Answer.Err.Error() != h.want {
						t.Errorf("%v, want %q", r.Answer.Err, h.want)
					}
					if r := ask(m, "sane"); r.Answer.Verdict != sdk.Yes {
						t.Errorf("after it: %v", r)
					}
				}
				if n := strings.Count(k.log.String(), "\n"); n > perSecond*3 {
					t.Errorf("%d lines were logged", n)
				}
			})
		}
	}
}

// Many at once, on one pool: the guilty ones fail, and nobody else.
func TestOnlyTheGuiltyConnectionsFail(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	m := k.must(hostileGuest(t, "", dirty+"(loop $l (br $l))"), "x")
	var wg sync.WaitGroup
	wrong := make(chan string, 64)
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				head, want := "sane", "yes"
				if (i+g)%3 == 0 {
					head, want = "!", "error: it took more fuel than it may"
				}
				if got := ask(m, head).String(); got != want {
					wrong <- got
					return
				}
			}
		})
	}
	wg.Wait()
	close(wrong)
	for got := range wrong {
		t.Error(got)
	}
	if n := m.plugin.counts.failures[Fuel].Load(); n != 800 {
		t.Errorf("%d failures were counted, want 800", n)
	}
}

// A guest that remembers all it has seen tells each connection what a fresh one
// would. Its memory, with every byte of the window, is its answer.
func TestNothingOfOneConnectionIsLeftForTheNext(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, `(import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
		(global $h (mut i64) (i64.const 0)) (global $f (mut f64) (f64.const 0)) (table 1 funcref) (data $d "abc")`, `
		(local $i i32) (local $sum i32)
		;; all memory is the answer, but for the window: that is what the call brought
		(loop $l
			(local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load8_u (local.get $i))))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 32768))))
		(local.set $i (i32.const 33920)) ;; the window's head
		(loop $l
			(local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load8_u (local.get $i))))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65536))))
		(local.set $sum (i32.add (local.get $sum) (i32.wrap_i64 (global.get $h))))
		(local.set $sum (i32.add (local.get $sum) (i32.trunc_sat_f64_s (global.get $f))))
		(local.set $sum (i32.add (local.get $sum) (i32.add (memory.size) (memory.grow (i32.const 1)))))
		;; remember the connection
		(memory.copy (i32.const 5) (local.get $head) (local.get $size))
		(memory.copy (i32.const 20000) (local.get $head) (local.get $size))
		(memory.copy (i32.const 40000) (local.get $head) (local.get $size))
		(global.set $h (i64.extend_i32_u (local.get $size)))
		(global.set $f (f64.convert_i32_u (local.get $size)))
		(i32.store (i32.const 30000) (local.get $sum))
		(drop (call $set (i32.const 1000) (i32.const 0) (i32.const 30000) (i32.const 4)))
		(if (i32.eq (i32.load8_u (local.get $head)) (i32.const 33)) (then (unreachable)))
		(i32.or (i32.and (local.get $sum) (i32.const 0x7ffffff)) (i32.const 1))`)
	used, fresh := k.must(path, "x", "fuel 5000000"), map[string]string{}
	heads := []string{"", "a", "!", strings.Repeat("secret ", 2000), "GET / HTTP/1.1\r\n", "!" + strings.Repeat("x", 9000), "b"}
	for _, head := range heads {
		fresh[head] = ask(newBench(t).must(path, "x", "fuel 5000000"), head).String()
	}
	for i := range 300 {
		head := heads[(i*i+i/3)%len(heads)]
		if diff := cmp.Diff(fresh[head], ask(used, head).String()); diff != "" {
			t.Fatalf("round %d, head %.20q (-fresh +used):\n%s", i, head, diff)
		}
	}
}

func TestConnectionHasItsOwnFuel(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	m := k.must(guest(t, "", `(local $i i32)
		(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 30000))))
		(i32.const -1)`), "x")
	f := matchtest.TCP()
	f.MaxHead = 1000
	errored := 0
	for n := range 1000 {
		f.Head = make([]byte, n)
		_, err := m.Match(&f)
		if errored == 0 && err != nil {
			errored = n
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Kind != Fuel) {
			t.Fatal(err)
		}
	}
	if errored < 8 || errored > 100 {
		t.Errorf("the connection's fuel ended at evaluation %d", errored)
	}
	f.Reset()
	f.MaxHead = 1000
	if v, err := m.Match(&f); err != nil || v != sdk.Need(1) {
		t.Errorf("the next connection: %v, %v", v, err)
	}
}

// Loading and closing again and again leaves nothing behind.
func TestLoadingAndClosingLeavesNothingBehind(t *testing.T) {
	k := newBench(t)
	paths := []string{guest(t, "", "(i32.const 1)"), guest(t, "(func)", "(i32.const 1)")}
	round := func(i int) {
		m := k.must(paths[i%2], "x", fmt.Sprintf("fuel %d", 1000+i))
		if r := ask(m, ""); r.Answer.Verdict != sdk.Yes {
			t.Fatal(r)
		}
		k.builder.Release()
		if n := len(share.All[any](k.store)); n != 0 {
			t.Fatalf("%d values are left in the store", n)
		}
		if r := ask(m, ""); r.Answer.Err == nil {
			t.Fatalf("a module that is gone answers %v", r)
		}
	}
	rounds := 10_000
	if testing.Short() || raceDetector {
		rounds = 1000
	}
	for i := range rounds / 5 {
		round(i)
	}
	before := measure()
	for i := range rounds {
		round(i)
	}
	after := measure()
	if after.goroutines > before.goroutines || after.descriptors > before.descriptors || after.mappings > before.mappings+20 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if grown := after.heap - before.heap; grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	// The race detector keeps memory for every goroutine that has ended, and modules are
	// closed in one each.
	if grown := after.resident - before.resident; !raceDetector && grown > 64<<20 {
		t.Errorf("%d bytes more are resident", grown)
	}
	t.Logf("before %+v, after %+v", before, after)
}

type measured struct{ goroutines, descriptors, mappings, heap, resident int }

func measure() measured {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	maps, resident := proc()
	return measured{runtime.NumGoroutine(), descriptors(), maps, int(m.HeapAlloc), resident}
}
