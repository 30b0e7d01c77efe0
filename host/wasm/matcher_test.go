package wasm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/guest/sample/minecraft"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// sampleC builds a matcher with the kit for C.
func sampleC(t testing.TB, source string) string {
	t.Helper()
	realtest.Look(t, "clang")
	realtest.Look(t, "wasm-ld")
	out := filepath.Join(t.TempDir(), "c.wasm")
	cmd := exec.CommandContext(context.Background(), root+"/sdk/c/build.sh", source, out)
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	return out
}

// sampleGo builds the sample of the kit for Go.
func sampleGo(t testing.TB) string { return moduleGo(t, "./sdk/guest/sample") }

// moduleGo builds a matcher with the kit for Go.
func moduleGo(t testing.TB, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "go.wasm")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, dir)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	return out
}

func minecraftC(t testing.TB) string { return sampleC(t, root+"/sdk/c/minecraft.c") }

// flights are captured first bytes.
func flights(t testing.TB, pattern string) [][]byte {
	t.Helper()
	files, err := filepath.Glob(root + "/testdata/flights/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no flights %s (%v)", pattern, err)
	}
	var heads [][]byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err == nil && info.Size() < 16<<10 {
			heads = append(heads, b)
		}
	}
	return heads
}

func TestGuestsObeyTheLawsAndAgreeWithTheNativeMatcher(t *testing.T) {
	t.Parallel()
	heads := flights(t, "minecraft/*.bin")
	other := flights(t, "*/*.bin")
	for name, build := range map[string]func(testing.TB) string{"c": minecraftC, "go": sampleGo} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newBench(t)
			path := build(t)
			for _, line := range []string{"x", "x play.example.com"} {
				node := words(line)
				native, err := minecraft.New(&node)
				if err != nil {
					t.Fatal(err)
				}
				guest := k.must(path, line)
				matchtest.Laws(t, guest, matchtest.TCP(), heads...)
				for _, head := range append(other, heads...) {
					agree(t, native, guest, head)
				}
			}
		})
	}
}

// agree compares two matchers on prefixes of a head, as it is and changed.
func agree(t *testing.T, native, guest sdk.Matcher, head []byte) {
	t.Helper()
	compare := func(head []byte) {
		f := matchtest.TCP()
		f.Head = head
		want, got := matchtest.Ask(native, &f), matchtest.Ask(guest, &f)
		if want.String() != got.String() {
			t.Fatalf("%q: native %v, guest %v", head, want, got)
		}
	}
	for n := range min(len(head), 300) + 1 {
		compare(head[:n])
	}
	for i := range min(len(head), 64) {
		changed := bytes.Clone(head)
		changed[i] ^= 1 << (i % 8)
		compare(changed)
	}
}

// A guest in Go allocates, and never collects its garbage: what is put back is its
// heap, too.
func TestGuestsInGoDoNotRunOut(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("CI runs it without the race detector, too")
	}
	m := newBench(t).must(moduleGo(t, "./plugins/minecraft"), "x")
	heads := flights(t, "minecraft/*.bin")
	f := matchtest.TCP()
	rounds := 100_000
	switch {
	case full():
		rounds = 1_000_000
	case testing.Short():
		rounds = 10_000
	}
	for i := range rounds {
		f.Rehead(heads[i%len(heads)])
		if v, err := m.Match(&f); err != nil || v != sdk.Yes {
			t.Fatalf("evaluation %d: %v, %v", i, v, err)
		}
	}
}

// FuzzNativeAndGuestAgree holds the native matcher against the module of the kit for C.
func FuzzNativeAndGuestAgree(f *testing.F) {
	guest := newBench(f).must(minecraftC(f), "x")
	native, err := minecraft.New(&sdk.Node{})
	if err != nil {
		f.Fatal(err)
	}
	for _, head := range flights(f, "minecraft/*.bin") {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		if len(head) <= 16<<10 {
			agree(t, native, guest, head)
		}
	})
}

// Not in parallel: it counts what the process allocates.
func TestEvaluationsAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("it counts nothing under the race detector")
	}
	k := newBench(t)
	matchtest.Allocs(t, k.must(minecraftC(t), "x"), matchtest.TCP(), flights(t, "minecraft/*.bin")...)
	matchtest.Allocs(t, k.must(moduleGo(t, "./plugins/minecraft"), "x"), matchtest.TCP(), flights(t, "minecraft/*.bin")...)
	matchtest.Allocs(t, k.must(sniGuest, "x"), matchtest.TCP(), flights(t, "tls/*.bin")...)
	matchtest.Allocs(t, k.must(sniStoreGuest, "x"), matchtest.TCP(), flights(t, "tls/*.bin")...)
}
