package wasm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
)

// kitSources are the files that a build in another directory needs, by the kit's
// directory below sdk, and what has to be there to build them.
func kitSources() map[string]struct{ files, tools []string } {
	return map[string]struct{ files, tools []string }{
		"c":              {[]string{"c/minecraft.c"}, []string{"clang", "wasm-ld"}},
		"rust":           {[]string{"rust/minecraft.rs"}, []string{"/usr/bin/rustc", "wasm-ld"}},
		"assemblyscript": {[]string{"assemblyscript/minecraft.ts", "assemblyscript/dwaar.ts"}, []string{"node"}},
		"guest":          {[]string{"guest/sample/main.go"}, []string{"go"}},
	}
}

// JSON beside the source of a matcher becomes the manifest of the module, whatever
// language it is written in, and its tests are run.
func TestEveryKitGivesAModuleItsManifest(t *testing.T) {
	t.Parallel()
	const manifest = `{"name": "mc", "version": "2", "matchers": [{"name": "", "facts": ["host"]}], "tests": [
		{"name": "silence", "head": "", "want": "need"},
		{"name": "a request", "config": ["a.org"], "head": "47 45 54 20 2f 20", "want": "%s"}
	]}`
	for kit, k := range kitSources() {
		t.Run(kit, func(t *testing.T) {
			t.Parallel()
			for _, tool := range k.tools {
				realtest.Look(t, tool)
			}
			b := newBench(t)
			long := strings.Repeat("\n", 20_000) // a length of three groups
			m := b.must(builtWith(t, kit, k.files, fmt.Sprintf(manifest, "no")+long), "x a.org")
			if d := m.plugin.Describe(); d.Title != "mc 2" || d.Tests != 2 {
				t.Errorf("described as %+v", d)
			}
			if kit != "c" {
				return
			}
			wrong := builtWith(t, kit, k.files, fmt.Sprintf(manifest, "yes"))
			if _, err := b.load(declare(wrong)); err == nil || !strings.Contains(err.Error(), `its own test "a request" wants yes, and gets no`) {
				t.Errorf("%v", err)
			}
		})
	}
}

// builtWith copies the sources of a kit's sample to a directory, with a manifest, and
// returns the module that its script makes of them.
func builtWith(t *testing.T, kit string, files []string, manifest string) string {
	t.Helper()
	dir := t.TempDir()
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	give := map[string]string{"m.json": manifest}
	if kit == "guest" {
		give["go.mod"] = "module m\n\ngo 1.26.0\n\nrequire dwaar.dev/dwaar v0.0.0\n\nreplace dwaar.dev/dwaar => " + top + "\n"
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(top, "sdk", file))
		if err != nil {
			t.Fatal(err)
		}
		give[filepath.Base(file)] = string(text)
	}
	for name, text := range give {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source := filepath.Join(dir, filepath.Base(files[0]))
	if kit == "guest" {
		source = dir
	}
	out := filepath.Join(dir, "m.wasm")
	cmd := exec.CommandContext(context.Background(), filepath.Join(top, "sdk", kit, "build.sh"), source, out)
	cmd.Env = append(os.Environ(), "RUSTC=/usr/bin/rustc", "GOFLAGS=-mod=mod", "GOPROXY=off")
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	return out
}
