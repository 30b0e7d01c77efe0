package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/realtest"
)

// The test binary is also the compiler of the hosts in these tests, a good one and
// bad ones, and the peers of proxies in benchmarks.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "peer":
		err = servePeer(os.Stdin, os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "owner":
		err = own(os.Args[2])
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
	case "compiler-lingers":
		return linger(dir)
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

// own is a process that has a module compiled by one that lingers.
func own(path string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	h := New(Options{Compiler: []string{self, "compiler-lingers"}})
	_, err = h.Open(path, Limits{})
	return err
}

// linger is a compiler that does not come to an end: it opens the pipe "alive" beside dir,
// which closes with the process, and watches its parent as CompileInto does.
func linger(dir string) error {
	if _, err := takeOver(os.Stdin); err != nil {
		return err
	}
	alive, err := os.OpenFile(filepath.Join(filepath.Dir(dir), "alive"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := alive.WriteString("x"); err != nil {
		return err
	}
	endWith(os.Stdin, dir)
	return nil
}

// A parent that is killed cannot end its compiler: the compiler does it by itself, and
// leaves nothing behind.
func TestACompilerEndsWithTheProgramThatStartedIt(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	name := filepath.Join(tmp, "alive")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "owner", guest(t, "", "(i32.const 1)"))
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	if err := cmd.Start(); err != nil { // not with realtest, which ends the children of its programs
		t.Fatal(err)
	}
	alive, err := os.Open(name) // when the compiler opens it too
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if _, err := io.ReadFull(alive, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, dirPrefix+"*")); len(left) != 1 {
		t.Errorf("the directories are %v", left)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()                                                      // says that it was killed
	if _, err := alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) { // the compiler has ended
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, dirPrefix+"*")); len(left) != 0 {
		t.Errorf("directories are left: %v", left)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// What a killed program leaves is removed by the next one, and what a living one has is not.
func TestDirectoriesOfKilledProgramsAreSwept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dead, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "code"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "kept")
	if err := os.Mkdir(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(os.TempDir(), dirPrefix+"link")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	living := withCompiler(t, "good")
	living.must(guest(t, "", "(i32.const 1)"), "x")
	other := withCompiler(t, "good")
	other.must(guest(t, "", "(i32.const 2)"), "x")
	if exists(dead) {
		t.Error("the directory of a dead program is there")
	}
	for _, name := range []string{living.host.dir, other.host.dir, link, elsewhere} {
		if !exists(name) {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestADirectoryThatWasRemovedWhileItWasLockedIsNotTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); !errors.Is(err, errNotOurs) {
		t.Errorf("a second lock: %v", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if named(first, dir) {
		t.Error("what was removed has its name")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); !errors.Is(err, errNotOurs) {
		t.Errorf("what is not there: %v", err)
	}
}

func TestOnlyWholeModulesAreTakenOver(t *testing.T) {
	t.Parallel()
	var pipe bytes.Buffer
	if err := handOver(&pipe, []byte("module")); err != nil {
		t.Fatal(err)
	}
	whole := pipe.Bytes()
	if got, err := takeOver(bytes.NewReader(append(bytes.Clone(whole), "more"...))); string(got) != "module" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for n := range whole {
		if _, err := takeOver(bytes.NewReader(whole[:n])); err == nil {
			t.Errorf("%d of %d bytes are enough", n, len(whole))
		}
	}
	if _, err := takeOver(bytes.NewReader([]byte{0, 0, 0, 1, 0, 0, 0, 0})); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("4 GiB: %v", err)
	}
	dir := t.TempDir() // of another name than the host gives
	if out, err := realtest.Run(t, exec.Command(os.Args[0], "compiler-good", dir)); err == nil || !exists(dir) {
		t.Errorf("%v %s, and the directory is there: %v", err, out, exists(dir))
	}
}
