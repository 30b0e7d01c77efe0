package wasm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func TestAShadowIsAskedBesideTheConnections(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	// The candidate says no to "B", fails at "C", and asks for a fact at "D".
	candidate := guest(t, `(import "dwaar_v1" "get" (func $get (param i32 i32 i32 i32) (result i32))) (data (i32.const 0) "vars.tenant")`,
		`(if (i32.eqz (local.get $size)) (then (return (i32.const -9))))
		(if (i32.eq (i32.load8_u (local.get $head)) (i32.const 66)) (then (return (i32.const 0))))
		(if (i32.eq (i32.load8_u (local.get $head)) (i32.const 67)) (then (unreachable)))
		(if (i32.eq (i32.load8_u (local.get $head)) (i32.const 68)) (then
			(drop (call $get (i32.const 0) (i32.const 11) (i32.const 0) (i32.const 0)))))
		(i32.const 1)`)
	m := k.must(guest(t, "", `(select (i32.const 1) (i32.const -1) (local.get $size))`), "x", "shadow "+candidate, "reads vars.*")
	before := asked(m, "B") // nobody listens yet
	end := k.acting()
	for _, head := range []string{"", "A", "B", "C", "D"} {
		if v := asked(m, head); v != before && head != "" {
			t.Errorf("%q: it says %v", head, v)
		}
	}
	end()
	s := m.plugin.counts.Stats()
	if diff := cmp.Diff(map[string]uint64{"agreed": 2, "disagreed": 2, "unanswered": 1}, s.Shadow); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if s.Evaluations != 6 || len(s.Failures) != 0 {
		t.Errorf("the shadow is counted as the plugin: %+v", s)
	}
	log := k.log.String()
	for _, want := range []string{`said=yes shadow=no`, `said=yes shadow="trap: it trapped: unreachable"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
}

func TestAShadowKnowsTheFactsThatAreNamedInFull(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := wat(t, curious)
	m := k.must(guest(t, `(func (export "dwaar_v1_init") (param i32 i32) (result i32) (i32.const 0))`, `(i32.const 2)`),
		"x v", "shadow "+path, "reads vars.tenant")
	end := k.acting()
	asked(m, "A")
	end()
	if got := m.plugin.counts.Stats().Shadow; got["disagreed"] != 1 { // it finds a fact
		t.Errorf("counts: %v", got)
	}
	if log := k.log.String(); !strings.Contains(log, `shadow="yes 2 found=\"acme\""`) {
		t.Errorf("logged %s", log)
	}
}

// A shadow that cannot keep up loses copies, and nobody waits.
func TestWhatAShadowHasNoTimeForIsDropped(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, "", "(i32.const 1)")
	m := k.must(path, "x", "shadow "+guest(t, "", "(i32.const 1)"))
	tap := m.plugin.taps[0].tap
	tap.users.Add(1) // somebody who never comes
	for range queued + 7 {
		asked(m, "A")
	}
	tap.users.Add(-1)
	if got := m.plugin.counts.Stats().Shadow["dropped"]; got != 7 {
		t.Errorf("%d are dropped", got)
	}
	end := k.acting()
	end()
	if got := m.plugin.counts.Stats().Shadow["agreed"]; got != queued {
		t.Errorf("%d are compared", got)
	}
	for range queued {
		if s := <-tap.free; s.matcher != nil {
			t.Fatal("a copy that was used holds its module")
		}
	}
}

func TestShadowsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, "", "(i32.const 1)")
	if _, err := k.load(declare(path, "shadow missing.wasm")); err == nil || !strings.Contains(err.Error(), "missing.wasm") {
		t.Errorf("one that is not there: %v", err)
	}
	other := wat(t, `(module (memory (export "memory") 1)
		(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 4096))
		(func (export "dwaar_v1_match_m") (param i32 i32 i32) (result i32) (i32.const 1)))`)
	l, err := k.load(declare(path, "shadow "+other))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.make("x"); err == nil || !strings.Contains(err.Error(), `it has no matcher ""`) {
		t.Errorf("one without the matcher: %v", err)
	}
	if n := len(share.All[any](k.store)); n == 0 {
		t.Error("nothing is held")
	}
	k.builder.Release()
	if left := share.All[any](k.store); len(left) != 0 || k.host.live.Load() != 0 {
		t.Errorf("%d values are left, %d modules", len(left), k.host.live.Load())
	}
}

// Not in parallel: it counts what the process allocates. Where nobody listens a shadow
// costs nothing.
func TestAShadowThatDoesNotRunAllocatesNothing(t *testing.T) {
	k := newBench(t)
	path := minecraftC(t)
	matchtest.Allocs(t, k.must(path, "x", "shadow "+path), matchtest.TCP(), flights(t, "minecraft/*.bin")...)
}
