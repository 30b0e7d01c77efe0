package wasm

import (
	"os"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk/abi"
)

// withManifest is the specification's module with a manifest.
func withManifest(t *testing.T, manifest string) string {
	t.Helper()
	return withSection(t, wat(t, example(t, "module")), "dwaar.manifest", manifest)
}

func TestAModulePassesItsOwnTests(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]*bench{"here": newBench(t), "with a compiler": withCompiler(t, "good")} {
		m := k.must(withManifest(t, example(t, "manifest")), "x")
		if d := m.plugin.Describe(); d.Tests != 3 || !strings.Contains(d.String(), "passed the 3 tests of its manifest") {
			t.Errorf("%s: described as %+v", name, d)
		}
		if got := answer(m, "A"); got != `yes 7 first="A"` {
			t.Errorf("%s: then it says %s", name, got)
		}
		if s := m.plugin.counts.Stats(); s.Evaluations != 1 {
			t.Errorf("%s: its tests are counted: %+v", name, s)
		}
	}
}

func TestAModuleThatFailsItsOwnTestsIsRefused(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	for test, want := range map[string]string{
		`{"name":"a","head":"41","want":"no"}`:                                         `its own test "a" wants no, and gets yes 7 first="A"`,
		`{"name":"a","head":"41","want":"yes 8"}`:                                      `wants yes 8, and gets yes 7`,
		`{"name":"a","head":"41","want":"yes 7","facts":{}}`:                           `wants yes 7 without facts, and gets yes 7 first="A"`,
		`{"name":"a","head":"41","want":"yes 7","facts":{"first":"B"}}`:                `wants yes 7 first="B", and gets yes 7 first="A"`,
		`{"name":"a","head":"","want":"need 2"}`:                                       `wants need 2, and gets need 1`,
		`{"name":"a","head":"42","want":"error"}`:                                      `wants error, and gets no`,
		`{"name":"a","config":["b"],"head":"","want":"need"}`:                          `its own test "a" has arguments that it refuses: example takes no arguments`,
		`{"name":"a","matcher":"m","head":"","want":"need"}`:                           `its manifest has the test "a": there is no matcher "m"`,
		`{"name":"a","head":"4","want":"no"}`:                                          `reading its manifest`,
		`{"name":"a","head":7,"want":"no"}`:                                            `reading its manifest`,
		`{"name":"a","head":[7],"want":"no"}`:                                          `reading its manifest`,
		`{"name":"a","want":"maybe"}`:                                                  `"maybe" is no verdict`,
		`{"name":"a","want":"no 7"}`:                                                   `"no 7" is no verdict`,
		`{"name":"a","want":"yes 0"}`:                                                  `"0" is no number of a verdict`,
		`{"name":"a","want":"no","config":[["x"],"y"]}`:                                `a configuration is a list of words`,
		`{"name":"a","want":"no","config":["x",[[]]]}`:                                 `a line of a block begins with a word`,
		`{"name":"a","want":"no","config":["x",7]}`:                                    `reading its manifest`,
		`{"name":"a","want":"no","head":"` + strings.Repeat("00", 16385) + `"}`:        `more than 16384 bytes`,
		`{"name":"a","want":"no","config":["` + strings.Repeat("0", 16384) + `"]}`:     `arguments have more than`,
		strings.Repeat(`{"want":"no","head":"42"},`, 16) + `{"want":"no","head":"42"}`: `has 17 tests`,
	} {
		manifest := `{"name":"example","matchers":[{"name":""}],"tests":[` + test + `]}`
		_, err := k.load(declare(withLongSection(t, wat(t, example(t, "module")), manifest)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %v, want %q", test, err, want)
		}
	}
	if n := k.host.live.Load(); n != 0 {
		t.Errorf("%d modules are left", n)
	}
}

// withLongSection appends a manifest of up to 64 KiB.
func withLongSection(t *testing.T, path, manifest string) string {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const name = "\x0edwaar.manifest"
	n := len(name) + len(manifest)
	src = append(src, 0, byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14))
	if err := os.WriteFile(path, append(append(src, name...), manifest...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Arguments with blocks, datagrams, and a configuration with instances of its own.
func TestOwnTestsSayAllThatAConfigurationCan(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	// It wants the block `a { b c; d }`, grows its memory, and says how many datagrams there are.
	path := wat(t, `(module (memory (export "memory") 1 4)
		(data (i32.const 0) "\01\00\01\00a\00\02\00\00\00\00\01\00\01\00b\00\01\00\01\00c\00\04\00\00\00\00\01\00\01\00d\00\04\00\00\00\00\03\00\00\00\00\00\00\00\00\00")
		(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
		(func (export "dwaar_v1_init") (param $at i32) (param $size i32) (result i32) (local $i i32)
			(drop (memory.grow (i32.const 1)))
			(loop $l
				(if (i32.ne (i32.load8_u (local.get $i)) (i32.load8_u (i32.add (local.get $at) (local.get $i)))) (then (return (i32.const 1))))
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $size))))
			(i32.const 0))
		(func (export "dwaar_v1_match") (param i32 i32) (param $info i32) (result i32)
			(i32.add (i32.const 1) (i32.load offset=92 (local.get $info)))))`)
	withLongSection(t, path, `{"matchers":[{"name":""}],"tests":[
		{"name":"stream","config":["a",[["b","c"],["d"]]],"head":"00 01","want":"yes"},
		{"name":"datagrams","config":["a",[["b","c"],["d"]]],"head":["00 01","","02"],"want":"yes 4","facts":{}}]}`)
	if _, err := k.load(declare(path)); err != nil {
		t.Fatal(err)
	}
	k.builder.Release()
	if left := share.All[any](k.store); len(left) != 0 || k.host.live.Load() != 0 {
		t.Errorf("%d values are left, %d modules", len(left), k.host.live.Load())
	}
}

func TestAnOwnTestCanWantAFailure(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := withLongSection(t, guest(t, "", "(unreachable)"), `{"matchers":[{"name":""}],"tests":[{"name":"trap","head":"","want":"error","facts":{}}]}`)
	if _, err := k.load(declare(path)); err != nil {
		t.Errorf("an error that was wanted: %v", err)
	}
}

// Whatever a manifest holds, it is refused, or has tests that can be asked.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(example(f, "manifest")))
	f.Add([]byte(`{"matchers":[{"name":""}],"tests":[{"config":["a",[["b",[["c"]]]]],"head":["00","","ff 01"],"want":"yes 4"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := readManifest(text, []exported{{}})
		if err != nil || m == nil {
			return
		}
		for i := range m.Tests {
			test := &m.Tests[i]
			block, _, err := tokens(&test.Config.node)
			if err != nil || len(block) > abi.MaxTestHead {
				t.Fatalf("arguments of %d bytes: %v", len(block), err)
			}
			c := abi.DecodeConfig(block)
			for token, err := c.Next(); token.Kind != abi.TokenEnd; token, err = c.Next() {
				if err != nil {
					t.Fatal(err)
				}
			}
			flow := test.flow()
			if n := len(flow.Bounds); n > 0 && flow.Bounds[n-1] != len(flow.Head) {
				t.Fatalf("datagrams end at %v in %d bytes", flow.Bounds, len(flow.Head))
			}
			_ = test.wish()
		}
	})
}
