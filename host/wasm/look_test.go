package wasm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAFileIsLookedAtWithoutRunningIt(t *testing.T) {
	t.Parallel()
	path := wat(t, `(module
		(import "dwaar_v1" "set" (func (param i32 i32 i32 i32) (result i32)))
		(import "env" "abort" (func (param i32 i32 i32 i32)))
		(memory (export "memory") 1 3)
		(global (mut i32) (i32.const 0))
		(func $start unreachable) (start $start)
		(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 32768)))`)
	s, err := Look(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Size == 0 || s.Rewritten <= s.Size || len(s.SHA256) != 64 {
		t.Errorf("%d bytes, %d when rewritten, hash %s", s.Size, s.Rewritten, s.SHA256)
	}
	s.Size, s.Rewritten, s.SHA256 = 0, 0, ""
	want := &Survey{
		Functions: 2, Globals: 1, Pages: 1, MaxPages: 3,
		Imports: []string{"dwaar_v1.set (i32, i32, i32, i32) → i32", "env.abort (i32, i32, i32, i32) → ()"},
		Exports: []string{"memory memory", "dwaar_v1_window (i32) → i32"},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOfARefusedFileThereIsAHash(t *testing.T) {
	t.Parallel()
	s, err := Look(wat(t, `(module (import "env" "printf" (func)) (memory (export "memory") 1))`))
	if err == nil || !strings.Contains(err.Error(), `imports "env"."printf"`) {
		t.Errorf("%v", err)
	}
	if s == nil || s.Size == 0 || len(s.SHA256) != 64 {
		t.Errorf("%+v", s)
	}
	if s, err := Look("missing.wasm"); s != nil || err == nil {
		t.Errorf("%+v, %v", s, err)
	}
}
