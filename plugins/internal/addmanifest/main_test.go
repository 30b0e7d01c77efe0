package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const empty = "\x00asm\x01\x00\x00\x00"

func TestTheManifestBecomesTheLastSection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	manifest, module := filepath.Join(dir, "m.json"), filepath.Join(dir, "m.wasm")
	for name, text := range map[string]string{manifest: "{\n\t\"name\": \"x\"\n}\n", module: empty} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(manifest, module); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(module)
	want := empty + "\x00\x1b\x0edwaar.manifest{\"name\":\"x\"}"
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := run(manifest, module); err == nil || !strings.Contains(err.Error(), "it has one already") {
		t.Errorf("the second time it says %v", err)
	}
}

func TestWhatCannotBeAddedIsRefused(t *testing.T) {
	t.Parallel()
	for want, in := range map[string][2]string{
		"that is no WebAssembly module":     {"{}", "\x7fELF"},
		"invalid character":                 {"{x}", empty},
		"it has 65540 bytes, more than 655": {`["` + strings.Repeat("x", 64<<10) + `"]`, empty},
	} {
		if _, err := add([]byte(in[0]), []byte(in[1])); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it says %v, want %s", err, want)
		}
	}
}
