package wasm

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dwaar.dev/dwaar/host/wasm/rewrite"
)

// cached is a bench with a compiler and a directory for code.
func cached(t *testing.T, kind, dir string) *bench {
	t.Helper()
	k := withCompiler(t, kind)
	k.host.cacheDir = dir
	return k
}

// codes are the files that a directory keeps.
func codes(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCodeSurvivesTheProgram(t *testing.T) {
	t.Parallel()
	dir, path := filepath.Join(t.TempDir(), "plugins"), guest(t, "", "(i32.const 3)")
	first := cached(t, "good", dir)
	first.must(path, "x")
	if got := first.host.Compilations(); got != (Compilations{Compiled: 1}) || len(codes(t, dir)) != 1 {
		t.Errorf("the first one: %+v, %v", got, codes(t, dir))
	}
	second := cached(t, "idles", dir) // whose compiler leaves nothing
	if got := answer(second.must(path, "x"), ""); got != "yes 3" {
		t.Errorf("it says %s", got)
	}
	if got := second.host.Compilations(); got != (Compilations{Cached: 1}) {
		t.Errorf("the second one: %+v", got)
	}
	if files := second.host.compiled(); len(files) != 0 {
		t.Errorf("code is left: %v", files)
	}
	// Other limits are rewritten to other code; another module is another module.
	second.host.compiler[1] = "compiler-good"
	second.must(path, "x", "memory 1")
	second.must(guest(t, "", "(i32.const 4)"), "x")
	if n := len(codes(t, dir)); n < 2 {
		t.Errorf("%d entries", n)
	}
}

func TestDamagedCodeIsCompiledAgain(t *testing.T) {
	t.Parallel()
	path := guest(t, "", "(i32.const 3)")
	other := guest(t, "", "(i32.const 4)")
	for name, damage := range map[string]func(t *testing.T, file string){
		"torn": func(t *testing.T, file string) {
			if err := os.Truncate(file, 100); err != nil {
				t.Fatal(err)
			}
		},
		"empty": func(t *testing.T, file string) {
			if err := os.Truncate(file, 0); err != nil {
				t.Fatal(err)
			}
		},
		"a bit": func(t *testing.T, file string) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"of another module": func(t *testing.T, file string) {
			dir := filepath.Join(t.TempDir(), "plugins")
			cached(t, "good", dir).must(other, "x")
			if err := os.Rename(codes(t, dir)[0], file); err != nil {
				t.Fatal(err)
			}
		},
		"a link": func(t *testing.T, file string) {
			if err := os.Rename(file, file+".moved"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Base(file)+".moved", file); err != nil {
				t.Fatal(err)
			}
		},
		"open to others": func(t *testing.T, file string) {
			if err := os.Chmod(file, 0o666); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "plugins")
			cached(t, "good", dir).must(path, "x")
			damage(t, codes(t, dir)[0])
			k := cached(t, "good", dir)
			if got := answer(k.must(path, "x"), ""); got != "yes 3" {
				t.Errorf("it says %s", got)
			}
			if got := k.host.Compilations(); got != (Compilations{Compiled: 1, Damaged: 1}) {
				t.Errorf("counted %+v", got)
			}
			again := cached(t, "idles", dir)
			if got := answer(again.must(path, "x"), ""); got != "yes 3" {
				t.Errorf("then it says %s", got)
			}
		})
	}
}

// An entry that is whole, and that the engine does not take: as of an engine that
// changed and did not change its name.
func TestCodeThatTheEngineRefusesIsCompiledAgain(t *testing.T) {
	t.Parallel()
	dir, path := filepath.Join(t.TempDir(), "plugins"), guest(t, "", "(i32.const 3)")
	first := cached(t, "good", dir)
	m := first.must(path, "x")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	res, err := rewrite.Module(src, rewriting(m.module.pages))
	if err != nil {
		t.Fatal(err)
	}
	key := first.host.keyOf(res.Wasm)
	blob, err := first.host.kept.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	blob[len(blob)-1] ^= 1
	blob[len(blob)/2] ^= 1
	if err := first.host.kept.Put(key, blob); err != nil {
		t.Fatal(err)
	}
	k := cached(t, "good", dir)
	if got := answer(k.must(path, "x"), ""); got != "yes 3" {
		t.Errorf("it says %s", got)
	}
	if got := k.host.Compilations(); got.Compiled != 1 || got.Damaged != 1 {
		t.Errorf("counted %+v", got)
	}
}

func TestUnsafeDirectoriesKeepNothing(t *testing.T) {
	t.Parallel()
	path := guest(t, "", "(i32.const 3)")
	dir := filepath.Join(t.TempDir(), "plugins")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	k := cached(t, "good", dir)
	if got := answer(k.must(path, "x"), ""); got != "yes 3" {
		t.Errorf("it says %s", got)
	}
	if log := k.log.String(); !strings.Contains(log, "compiled plugins are not kept") || !strings.Contains(log, "chmod 700") {
		t.Errorf("logged %s", log)
	}
	if files := codes(t, dir); len(files) != 0 {
		t.Errorf("it kept %v", files)
	}
}

func TestProcessesShareADirectory(t *testing.T) {
	t.Parallel()
	dir, path := filepath.Join(t.TempDir(), "plugins"), guest(t, "", "(i32.const 3)")
	var all sync.WaitGroup
	for range 4 {
		k := cached(t, "good", dir)
		all.Go(func() {
			if l, err := k.load(declare(path)); err != nil {
				t.Error(err)
			} else if m, err := l.make("x"); err != nil || answer(m, "") != "yes 3" {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if files := codes(t, dir); len(files) != 1 {
		t.Errorf("there is %v", files)
	}
}
