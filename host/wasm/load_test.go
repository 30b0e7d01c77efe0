package wasm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func TestDirectivesThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	path := guest(t, "", "(i32.const 1)")
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		tree []sdk.Node
		want string
	}{
		"a hash that is none":     {declare(path, "sha256 12"), `sha256 "12" is no hash`},
		"another hash":            {declare(path, "sha256 "+strings.Repeat("ab", 32)), "and the configuration pins another one"},
		"no fuel":                 {declare(path, "fuel 1"), "fuel 1 is out of bounds: write 1000 to 50000000"},
		"too much memory":         {declare(path, "memory 5000"), "memory 5000 is out of bounds: write 1 to 256"},
		"facts without a part":    {declare(path, "reads server_name"), `reads "server_name" is no fact`},
		"the environment":         {declare(path, "reads conn.* env.HOME"), "no plugin sees the environment"},
		"stars in the middle":     {declare(path, "reads tls.*.x"), "is no fact"},
		"no file":                 {declare(path + ".gone"), "no such file or directory"},
		"a directory":             {declare(t.TempDir()), "it is a directory"},
		"no module":               {declare(broken), "does not begin with \\0asm"},
		"a name with a dot":       {[]sdk.Node{{Block: []sdk.Node{words("plugin a.b " + path)}}}, `"a.b" cannot be the name of a plugin`},
		"a name that is taken":    {[]sdk.Node{{Block: []sdk.Node{words("plugin not " + path)}}}, `"not" cannot be the name of a plugin`},
		"the same name twice":     {[]sdk.Node{{Block: []sdk.Node{words("plugin x " + path), words("plugin x " + path)}}}, "plugin x is declared twice"},
		"memory that does not do": {declare(wat(t, `(module (memory (export "memory") 3))`), "memory 2"), "pages"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newBench(t)
			_, err := k.load(tt.tree)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if n := len(share.All[any](k.store)); n != 0 {
				t.Errorf("%d values are left in the store", n)
			}
		})
	}
}

func TestOnErrorStandsForTheAnswer(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, "", "(unreachable)")
	for option, want := range map[string]string{
		"on_error close": "error: it trapped: unreachable", "on_error no_match": "no", "on_error match unsafe": "yes",
	} {
		if got := ask(k.must(path, "x", option), "").String(); got != want {
			t.Errorf("%s: %s, want %s", option, got, want)
		}
	}
	if log := k.log.String(); !strings.Contains(log, "on_error no_match stands for its answer") {
		t.Errorf("nobody hears of it: %s", log)
	}
}

// known are facts of earlier phases.
type known map[string]string

func (k known) Get(name string) (string, bool) { v, ok := k[name]; return v, ok }

func (k known) Set(key string, value []byte) { k["set "+key] = string(value) }

func TestGuestsReadWhatTheConfigurationLetsThem(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, `(import "dwaar_v1" "get" (func $get (param i32 i32 i32 i32) (result i32)))
		(import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32))) (data (i32.const 0) "got")`,
		`(local $n i32)
		(local.set $n (call $get (local.get $head) (local.get $size) (i32.const 100) (i32.const 4)))
		(drop (call $set (i32.const 0) (i32.const 3) (i32.const 100) (i32.const 4)))
		(i32.add (local.get $n) (i32.const 2))`)
	facts := func() known {
		return known{"tls.alpn": "h2", "conn.id": "17", "vars.x": "secret", "env.HOME": "/root", "tls.long": "123456789", "vars.y": "y"}
	}
	for head, want := range map[string]string{
		"tls.alpn": "4 h2\x00\x00", "tls.long": "11 1234", "conn.id": "1 ", "vars.x": "8 secr", "vars.y": "1 ", "env.HOME": "1 ", "tls.none": "1 ", "": "1 ",
		strings.Repeat("x", 300): "1 ",
	} {
		m := k.must(path, "x", "reads tls.* vars.x")
		f := matchtest.TCP()
		f.Head = []byte(head)
		fs := facts()
		f.Bind(fs)
		v, err := m.Match(&f)
		if err != nil {
			t.Fatal(err)
		}
		got := fs["set got"]
		if v == 1 {
			got = ""
		}
		if got := fmt.Sprintf("%d %s", int32(v), got); got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
}

func TestManifestsAreHeldAgainstTheModule(t *testing.T) {
	t.Parallel()
	module := func(manifest string) string {
		return withSection(t, guest(t,
			`(import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32))) (data (i32.const 0) "hostport")`,
			`(i32.add (i32.const 3) (i32.add
				(call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4))
				(call $set (i32.const 4) (i32.const 4) (i32.const 0) (i32.const 4))))`), "dwaar.manifest", manifest)
	}
	k := newBench(t)
	m := k.must(module(`{"name":"mc","version":"1","licence":"MIT","matchers":[{"name":"","doc":"A thing.","facts":["host"]}]}`), "x")
	r := ask(m, "")
	if diff := cmp.Diff("yes host=\"host\"", r.String()); diff != "" || r.Answer.Verdict != 2 {
		t.Errorf("%v (-want +got):\n%s", r.Answer.Verdict, diff)
	}
	d := m.plugin.Describe()
	if d.Title != "mc 1" || len(d.Matchers) != 1 || !cmp.Equal(d.Matchers[0].Facts, []string{"x.code", "x.host"}) {
		t.Errorf("described as %+v", d)
	}
	if m.Sets() != nil {
		t.Error("it says that it may set any fact")
	}
	for manifest, want := range map[string]string{
		`{"matchers":[{"name":"login"}]}`: `names the matchers ["login"], and it exports [""]`,
		`{}`:                              "names the matchers []",
		`[`:                               "reading its manifest",
		`{"matchers":[{"name":"","facts":["code"]}]}`:               `names a fact "code"`,
		`{"matchers":[{"name":"","facts":[{"key":"A","doc":""}]}]}`: `names a fact "A"`,
	} {
		_, err := k.load(declare(module(manifest)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", manifest, err, want)
		}
	}
}

// withSection appends a custom section to a module's file. It is short.
func withSection(t *testing.T, path, name, text string) string {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 1 + len(name) + len(text)
	src = append(src, 0, byte(n)|0x80, byte(n>>7), byte(len(name)))
	src = append(append(src, name...), text...)
	if err := os.WriteFile(path, src, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
