package wasm

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// echoing says the number that init has put into memory and into a global.
const echoing = `
	(global $n (mut i32) (i32.const 0))
	(func (export "dwaar_v1_init") (param $at i32) (param $size i32) (result i32)
		(global.set $n (i32.load8_u offset=4 (local.get $at)))
		(i32.store8 (i32.const 5000) (global.get $n))
		(memory.copy (i32.const 20000) (local.get $at) (local.get $size))
		%s (i32.const 0))`

// said mixes what init left in memory, globals and size.
const said = `(i32.add (i32.mul (i32.load8_u (i32.const 5000)) (i32.const 1000))
	(i32.add (i32.add (global.get $n) (i32.load8_u (i32.const 20004))) (i32.mul (memory.size) (i32.const 1000000))))`

// Configurations of one module share its instances, and do not see each other. One
// whose init grows the memory has its own.
func TestConfigurationsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		wat   string
		pages int
		own   bool
	}{
		"patches":         {"", 1, false},
		"grows":           {"(drop (memory.grow (i32.const 2)))", 3, true},
		"changes a table": {"(table.set 0 (i32.const 0) (ref.func 0))", 1, true},
		"drops a segment": {"(data.drop $d)", 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newBench(t)
			path := guest(t, `(table 2 funcref) (elem declare func 0) (data $d "x") `+fmt.Sprintf(echoing, change.wat), said)
			l, err := k.load(declare(path))
			if err != nil {
				t.Fatal(err)
			}
			matchers := map[string]sdk.Matcher{}
			for _, arg := range []string{"a", "b", "c"} {
				if matchers[arg], err = l.make("x " + arg); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i := range 500 {
						arg := string("abc"[i%3])
						f := fmt.Sprintf("yes %d", change.pages*1000000+int(arg[0])*1002)
						if got := answer(matchers[arg], "head"); got != f {
							t.Errorf("%s says %s, want %s", arg, got, f)
							return
						}
					}
				})
			}
			wg.Wait()
			if own := matchers["a"].(*Matcher).config.own != nil; own != change.own {
				t.Errorf("it has instances of its own: %t", own)
			}
			module := matchers["a"].(*Matcher).module
			k.builder.Release()
			if n := module.users.Load(); n != 0 {
				t.Errorf("%d pools are left", n)
			}
		})
	}
}

// One configuration of three grows the memory: the others share instances all the same,
// whatever was configured before them.
func TestConfigurationsOfBothKindsStandBesideEachOther(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	l, err := k.load(declare(guest(t, "(global $more (mut i32) (i32.const 77)) "+fmt.Sprintf(echoing, `
		(global.set $more (i32.add (global.get $more) (global.get $n)))
		(if (i32.eq (global.get $n) (i32.const 103)) (then (drop (memory.grow (i32.const 1)))))`),
		"(i32.add (global.get $more) (i32.mul (memory.size) (i32.const 1000)))")))
	if err != nil {
		t.Fatal(err)
	}
	order := "agbghga"
	var matchers []sdk.Matcher
	for i, c := range order {
		m, err := l.make(fmt.Sprintf("x %c%d", c, i))
		if err != nil {
			t.Fatal(err)
		}
		matchers = append(matchers, m)
	}
	for range 3 {
		for i, c := range order {
			want := 1000 + 77 + int(c)
			if c == 'g' {
				want += 1000
			}
			if got := answer(matchers[i], ""); got != fmt.Sprintf("yes %d", want) {
				t.Errorf("%c%d says %s, want yes %d", c, i, got, want)
			}
		}
	}
}

func TestEqualArgumentsAreConfiguredOnce(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, fmt.Sprintf(echoing, ""), said)
	one, two := k.must(path, "x a"), k.must(path, "x a")
	if one.module != two.module || one.config != two.config || one.config == k.must(path, "x b").config {
		t.Error("two configurations with the same plugin do not share")
	}
	if other := k.must(path, "x a", "memory 2"); other.module == one.module {
		t.Error("modules with other limits are shared")
	}
}

// What a configuration takes is its difference from the module.
func TestTenThousandConfigurationsTakeLittle(t *testing.T) {
	k := newBench(t)
	l, err := k.load(declare(guest(t, fmt.Sprintf(echoing, ""), said)))
	if err != nil {
		t.Fatal(err)
	}
	before := measure()
	matchers := make([]sdk.Matcher, 10_000)
	for i := range matchers {
		if matchers[i], err = l.make(fmt.Sprintf("x %c%d.example.com", 'a'+i%26, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(matchers); i += 37 {
		if got, want := answer(matchers[i], ""), fmt.Sprintf("yes %d", 1000000+('a'+i%26)*1002); got != want {
			t.Fatalf("matcher %d says %s, want %s", i, got, want)
		}
	}
	if grown := measure().heap - before.heap; grown > 64<<20 {
		t.Errorf("they take %d bytes", grown)
	}
	runtime.KeepAlive(matchers)
}

// The tokens of the specification's example, with the place of each.
func TestArgumentsBecomeTokens(t *testing.T) {
	t.Parallel()
	w := func(text string, col int) sdk.Word { return sdk.Word{Text: text, Pos: sdk.Pos{Line: 1, Col: col}} }
	n := &sdk.Node{Name: "minecraft", Pos: sdk.Pos{Line: 1, Col: 1}, Args: []sdk.Word{w("host", 11), w("a.org", 16)}, Block: []sdk.Node{
		{Name: "version", Pos: sdk.Pos{Line: 1, Col: 24}, Args: []sdk.Word{w("47", 32), w("760", 35)}},
	}}
	block, at, err := tokens(n)
	if err != nil {
		t.Fatal(err)
	}
	want, err := abi.NewTokens().Word("host").Word("a.org").Open().Word("version").Word("47").Word("760").Line().Close().Block()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, block); diff != "" {
		t.Errorf("block (-want +got):\n%s", diff)
	}
	var cols []int
	for _, p := range at {
		cols = append(cols, p.Col)
	}
	if diff := cmp.Diff([]int{11, 16, 1, 24, 32, 35, 24, 1}, cols); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if _, _, err := tokens(&sdk.Node{Args: []sdk.Word{{Text: strings.Repeat("x", 1<<16)}}}); err == nil {
		t.Error("a word of 64 KiB was encoded")
	}
}
