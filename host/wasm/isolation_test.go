package wasm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk/matchtest"
)

// remembering is a guest that looks at everything an evaluation could leave behind, in
// memory, globals, tables and segments, and in how large they are; tells a sum of it; and
// then does what its head says, two bytes a deed, to leave as much as it can.
const remembering = `(module
	(import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
	(import "dwaar_v1" "log" (func $log (param i32 i32 i32)))
	(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	(memory (export "memory") 5 9)
	(global $i (mut i32) (i32.const 1)) (global $l (mut i64) (i64.const 2))
	(global $f (mut f32) (f32.const 3)) (global $d (mut f64) (f64.const 4))
	(table $t 8 20 funcref) (table $u 3 externref)
	(elem (table $t) (i32.const 2) func $deep $deep)
	(elem $e func $deep) (data $s "a segment of sixteen") (data (i32.const 9) "k")
	(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 131072))
	(func (export "dwaar_v1_init") (param $at i32) (param $size i32) (result i32)
		(memory.copy (i32.const 70000) (local.get $at) (local.get $size))
		(global.set $l (i64.load (local.get $at)))
		(i32.const 0))
	(func $deep (call $deep) (call $deep))
	(func $sum (result i64) (local $n i32) (local $h i64)
		(memory.init $s (i32.const 327600) (i32.const 0) (i32.const 20)) ;; traps if it was dropped
		(loop $more
			(local.set $h (i64.xor (i64.rotl (local.get $h) (i64.const 7)) (i64.mul (i64.load (local.get $n)) (i64.const 0x9e3779b97f4a7c15))))
			(br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 8))) (i32.const 327680))))
		(local.set $h (i64.add (local.get $h) (i64.extend_i32_u (global.get $i))))
		(local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (global.get $l)))
		(local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (i64.extend_i32_u (i32.reinterpret_f32 (global.get $f)))))
		(local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (i64.reinterpret_f64 (global.get $d))))
		(local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (i64.extend_i32_u (memory.size))))
		(local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (i64.extend_i32_u (table.size $t))))
		(local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (i64.extend_i32_u (table.size $u))))
		(local.set $n (i32.const 0))
		(loop $more
			(local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (i64.extend_i32_u (ref.is_null (table.get $t (local.get $n))))))
			(br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (table.size $t))))
		(local.get $h))
	(func $do (param $what i32) (param $with i32) (local $at i32)
		(local.set $at (i32.or (i32.shl (local.get $with) (i32.const 10)) (i32.and (local.get $with) (i32.const 7)))) ;; stores cross cards
		(block $b19 (block $b18 (block $b17 (block $b16 (block $b15 (block $b14 (block $b13 (block $b12 (block $b11 (block $b10
		(block $b9 (block $b8 (block $b7 (block $b6 (block $b5 (block $b4 (block $b3 (block $b2 (block $b1 (block $b0
			(br_table $b0 $b1 $b2 $b3 $b4 $b5 $b6 $b7 $b8 $b9 $b10 $b11 $b12 $b13 $b14 $b15 $b16 $b17 $b18 $b19 (local.get $what)))
			(i32.store8 (local.get $at) (local.get $with)) (return))
			(i64.store offset=1018 (local.get $at) (i64.const -1)) (return))
			(f64.store offset=3 (local.get $at) (f64.const 1.5)) (return))
			(v128.store offset=1010 (local.get $at) (v128.const i64x2 5 6)) (return))
			(memory.fill (local.get $at) (local.get $with) (local.get $at)) (return)) ;; or a trap
			(memory.copy (i32.const 200000) (local.get $at) (i32.const 5000)) (return))
			(memory.init $s (local.get $at) (i32.const 2) (i32.const 9)) (return))
			(global.set $i (local.get $with)) (global.set $l (i64.const 77)) (return))
			(global.set $f (f32.const 0.5)) (global.set $d (f64.convert_i32_u (local.get $at))) (return))
			(global.set $i (i32.add (global.get $i) (memory.grow (i32.const 1)))) (return))
			(global.set $i (i32.add (global.get $i) (table.grow $t (ref.null func) (i32.const 1)))) (return))
			(table.set $t (i32.const 5) (ref.func $deep)) (return))
			(table.fill $t (i32.const 0) (ref.null func) (i32.const 8)) (return))
			(table.copy $t $t (i32.const 4) (i32.const 2) (i32.const 2)) (return))
			(table.init $t $e (i32.const 1) (i32.const 0) (i32.const 1)) (return))
			(data.drop $s) (return))
			(elem.drop $e) (return))
			(drop (call $random (local.get $at) (i32.const 600))) (return))
			(call $log (i32.const 0) (local.get $at) (i32.const 100)) (return))
			(if (i32.lt_u (local.get $with) (i32.const 90)) (then (call $deep)))
			(if (i32.lt_u (local.get $with) (i32.const 150)) (then (unreachable)))
			(loop $l (br_if $l (i32.lt_u (local.get $with) (i32.const 220)))))
	(func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32) (local $n i32)
		(i64.store (i32.const 327000) (call $sum))
		(drop (call $set (i32.const 9) (i32.const 1) (i32.const 327000) (i32.const 8)))
		(loop $more
			(if (i32.lt_u (i32.add (local.get $n) (i32.const 1)) (local.get $size)) (then
				(call $do
					(i32.load8_u (i32.add (local.get $head) (local.get $n)))
					(i32.load8_u offset=1 (i32.add (local.get $head) (local.get $n))))
				(local.set $n (i32.add (local.get $n) (i32.const 2)))
				(br $more))))
		(drop (call $set (i32.const 9) (i32.const 1) (i32.const 327000) (i32.const 8)))
		(i32.const 1)))`

// Whatever a random sequence of connections has done to an instance, how ever it ended,
// the next connection is told what a fresh instance tells it, for the same fuel.
func TestInstancesThatWereUsedAnswerAsFreshOnes(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	l, err := k.load(declare(wat(t, remembering), "fuel 3000000"))
	if err != nil {
		t.Fatal(err)
	}
	var ms []*Matcher
	for _, line := range []string{"x", "x first", "x another configuration"} {
		m, err := l.make(line)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m.(*Matcher))
	}
	used, err := ms[0].module.pool.get()
	if err != nil {
		t.Fatal(err)
	}
	defer ms[0].module.pool.put(used)
	rounds := 400
	if full() {
		rounds = 20_000
	}
	r := rand.New(rand.NewPCG(11, 13))
	ends := map[string]int{}
	for i := range rounds {
		head := deeds(r)
		m := ms[r.IntN(len(ms))]
		fresh, err := m.module.another()
		if err != nil {
			t.Fatal(err)
		}
		want, end := tells(fresh, m, head)
		fresh.close()
		got, _ := tells(used, m, head)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d, head %q (-fresh +used):\n%s", i, head, diff)
		}
		ends[end]++
	}
	for _, end := range []string{"", "trap", "fuel", "stack", "shape"} {
		if ends[end] == 0 {
			t.Errorf("no connection ended with %q: %v", end, ends)
		}
	}
}

// deeds is a head of up to ten of them; most are such that the evaluation goes on.
func deeds(r *rand.Rand) []byte {
	var head []byte
	for range r.IntN(10) {
		what := r.IntN(11)
		if r.IntN(8) == 0 {
			what = 11 + r.IntN(9)
		}
		head = append(head, byte(what), byte(r.IntN(256)))
	}
	return head
}

// tells is what an instance answers, with its facts, its fuel, and how it ended.
func tells(in *instance, m *Matcher, head []byte) (all, end string) {
	f := matchtest.TCP()
	f.Head = head
	answer, used, err := in.evaluate(m, &f, m.plugin.budget(len(head)))
	var facts strings.Builder
	for i, g := range in.facts.list {
		fmt.Fprintf(&facts, " %s=%x", g.key, in.facts.arena[i<<10:][:g.len])
	}
	if e, ok := err.(*Error); ok {
		end = e.Kind.String()
	}
	return fmt.Sprintf("%d%s, %d units, %v", answer, facts.String(), used, err), end
}
