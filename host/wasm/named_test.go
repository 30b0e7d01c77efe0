package wasm

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// severalMatchers is a module with matchers of these names, "" among them for the
// default one. Each keeps the first letter of its argument where all of them do, adds
// its own number, and tells the sum; what is more is put into the init of "grow". "bare"
// has no init.
func severalMatchers(t testing.TB, names ...string) string {
	t.Helper()
	var b strings.Builder
	for i, name := range names {
		if name != "" {
			name = "_" + name
		}
		more := ""
		if name == "_grow" {
			more = "(drop (memory.grow (i32.const 1)))"
		}
		if name != "_bare" {
			fmt.Fprintf(&b, `(func (export "dwaar_v1_init%s") (param $at i32) (param $size i32) (result i32)
				(if (i32.eq (i32.load8_u offset=4 (local.get $at)) (i32.const 33)) (then (call $reject (i32.const 0) (i32.const 0) (i32.const 9))))
				(i32.store8 (i32.const 5000) (i32.load8_u offset=4 (local.get $at))) (global.set $who (i32.const %d)) %s (i32.const 0))`, name, i, more)
		}
		fmt.Fprintf(&b, `(func (export "dwaar_v1_match%s") (param i32 i32 i32) (result i32)
			(drop (call $set (i32.const 100) (i32.const 3) (i32.const 5000) (i32.const 1)))
			(i32.add (i32.const %d) (i32.add (i32.mul (global.get $who) (i32.const 1000)) (i32.mul (memory.size) (i32.const 10000)))))`, name, i+1)
	}
	return wat(t, `(module
		(import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
		(import "dwaar_v1" "reject" (func $reject (param i32 i32 i32)))
		(memory (export "memory") 1) (global $who (mut i32) (i32.const 7))
		(data (i32.const 0) "not this!") (data (i32.const 100) "arg") (data (i32.const 5000) "?")
		(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 32768))`+b.String()+")")
}

// Matchers of one module have a configuration each, instances in common where that
// can be, and do not see each other.
func TestNamedMatchersStandApart(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	long := "a" + strings.Repeat("_9", 15) + "z" // 32 letters, the most there can be
	l, err := k.load(declare(severalMatchers(t, "", "login", "bare", "grow", long)))
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]string{
		"x a":              `yes 10001 arg="a"`,
		"x.login a":        `yes 11002 arg="a"`,
		"x.login b":        `yes 11002 arg="b"`,
		"x.bare":           `yes 17003 arg="?"`,
		"x.grow a":         `yes 23004 arg="a"`,
		"x." + long + " c": `yes 14005 arg="c"`,
	}
	ms := map[string]*Matcher{}
	for line := range wants {
		m, err := l.make(line)
		if err != nil {
			t.Fatal(err)
		}
		ms[line] = m.(*Matcher)
	}
	for range 3 {
		for line, m := range ms {
			if diff := cmp.Diff(wants[line], answer(m, "head")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", line, diff)
			}
		}
	}
	for line, m := range ms {
		if own := m.config.own != nil; own != (line == "x.grow a") {
			t.Errorf("%s has instances of its own: %t", line, own)
		}
		name, _, _ := strings.Cut(line, " ")
		if diff := cmp.Diff([]string{name + ".*"}, m.Sets()); diff != "" {
			t.Errorf("%s sets (-want +got):\n%s", line, diff)
		}
	}
	if ms["x a"].config == ms["x.login a"].config {
		t.Error("two matchers have one configuration in common")
	}
}

// What is wrong with one is said of it.
func TestNamedMatchersAreToldApartInErrors(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	l, err := k.load(declare(severalMatchers(t, "login", "bare")))
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"x.login !": "Dwaarfile:9:10: x.login: not this!",
		"x.bare a":  "Dwaarfile:9:10: x.bare takes no arguments",
		"x a":       "the plugin x has no matcher of its own name: write x.bare or x.login",
		"x.other a": "file does not exist",
	} {
		_, err := l.make(line)
		if err == nil {
			t.Errorf("%s was accepted", line)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
	for _, name := range []string{"a" + strings.Repeat("b", 32), "Login", "9", "a-b", "_a"} {
		if _, err := k.load(declare(severalMatchers(t, name))); err == nil || !strings.Contains(err.Error(), "which version 1 does not know") {
			t.Errorf("a matcher of the name %q: %v", name, err)
		}
	}
}

// Each has what a connection gives it, and none has the other's.
func TestNamedMatchersHaveTheirOwnFuel(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, `(func (export "dwaar_v1_match_spends") (param i32 i32 i32) (result i32) (loop $l (br $l)) (i32.const 1))`, "(i32.const 1)")
	l, err := k.load(declare(path))
	if err != nil {
		t.Fatal(err)
	}
	mine, other := must(l.make("x")), must(l.make("x.spends"))
	f := matchtest.TCP()
	for n := range 50 { // until nothing is left
		f.Head = make([]byte, n)
		if _, err := other.Match(&f); err == nil {
			t.Fatal("an endless loop ended")
		}
	}
	if v, err := mine.Match(&f); v != sdk.Yes || err != nil {
		t.Errorf("the other matcher: %v, %v", v, err)
	}
}

func must(m sdk.Matcher, err error) sdk.Matcher {
	if err != nil {
		panic(err)
	}
	return m
}

// A configuration uses them wherever a builtin is, and facts have their names.
func TestRoutesUseNamedMatchers(t *testing.T) {
	t.Parallel()
	path := severalMatchers(t, "login", "status")
	s := goLive(t, fmt.Sprintf(`{
	plugin x %s
}
layer4 {
	127.0.0.1:0 {
		@never {
			not {
				x.status a
			}
		}
		@both {
			x.login b
			x.status c
			vars {x.login.arg} b
			vars {x.status.arg} c
			vars {x.login.code} 10001
		}
		route @never {
			close
		}
		route @both {
			echo
		}
	}
}
`, path))
	c, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}
