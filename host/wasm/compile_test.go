package wasm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test binary is also the compiler of the hosts in these tests, a good one and
// bad ones, and the peers of proxies in benchmarks.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "peer":
		err = servePeer(os.Stdin, os.Stdout)
	case len(os.Args) == 3 && strings.HasPrefix(os.Args[1], "compiler-"):
		err = compiler(os.Args[1], os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compiler(kind, dir string) error {
	switch kind {
	case "compiler-burns":
		if err := limit(1, 1<<30); err != nil {
			return err
		}
		for i := 0; ; i++ {
			_ = i
		}
	case "compiler-eats":
		if err := limit(20, 1<<28); err != nil {
			return err
		}
		var all [][]byte
		for range 64 {
			all = append(all, make([]byte, 64<<20))
		}
		return fmt.Errorf("it got %d times 64 MiB", len(all))
	case "compiler-idles":
		return nil
	case "compiler-hangs":
		_, err := os.Stdin.Read(make([]byte, 1)) // and never the rest
		<-time.After(time.Minute)
		return err
	}
	return CompileInto(dir, os.Stdin)
}

// withCompiler is a bench whose modules another process compiles.
func withCompiler(t *testing.T, kind string) *bench {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k := newBench(t)
	k.host.compiler = []string{self, "compiler-" + kind}
	return k
}

func TestAnotherProcessCompiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	k := withCompiler(t, "good")
	for i, text := range []string{"(i32.const 1)", "(i32.const 2)", "(loop $l (br $l)) (unreachable)"} {
		m := k.must(guest(t, "", text), "x")
		want := []string{"yes 1", "yes 2", "error"}[i]
		if got := answer(m, ""); got != want {
			t.Errorf("%s says %s, want %s", text, got, want)
		}
		if files := k.host.compiled(); len(files) != 0 {
			t.Errorf("the code is left: %v", files)
		}
	}
	info, err := os.Stat(k.host.dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
	k.builder.Release()
	if err := k.host.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*wasm-*")); len(left) != 0 {
		t.Errorf("directories are left: %v", left)
	}
}

func TestCompilersThatFailRefuseTheModule(t *testing.T) {
	t.Parallel()
	path := guest(t, "", "(i32.const 1)")
	for kind, want := range map[string]string{
		"burns": "the compiler failed: signal: killed",
		"eats":  "the compiler failed: exit status 2",
		"idles": "the compiler left nothing",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			k := withCompiler(t, kind)
			_, err := k.load(declare(path))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			if n := k.host.live.Load(); n != 0 {
				t.Errorf("%d modules are counted", n)
			}
		})
	}
}

// A compilation that takes long does not hold up a program that is to end.
func TestCompilationsCanBeInterrupted(t *testing.T) {
	t.Parallel()
	path := guest(t, "", "(i32.const 1)")
	k := withCompiler(t, "hangs")
	held := make(chan error, 1)
	go func() {
		_, err := k.load(declare(path))
		held <- err
	}()
	k.host.Interrupt()
	if err := <-held; err == nil || !strings.Contains(err.Error(), "the program is ending") {
		t.Errorf("one under way: %v", err)
	}
	if _, err := k.load(declare(path)); err == nil || !strings.Contains(err.Error(), "the program is ending") {
		t.Errorf("one after that: %v", err)
	}
}

// What a graph still holds answers, whatever becomes of the engine.
func TestClosingLeavesWhatIsHeld(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path := guest(t, "", "(i32.const 1)")
	m := k.must(path, "x")
	if err := k.host.Close(); err != nil {
		t.Fatal(err)
	}
	if got := answer(m, ""); got != "yes 1" {
		t.Errorf("it says %s", got)
	}
	if _, err := k.load(declare(path, "memory 2")); err == nil || !strings.Contains(err.Error(), "engine was closed") {
		t.Errorf("loading more: %v", err)
	}
}
