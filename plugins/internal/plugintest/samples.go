package plugintest

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// Sample is what a real program sent first.
type Sample struct {
	Name string // of its file, without .bin
	Head []byte
}

// Samples returns the samples in a directory, ordered by name.
func Samples(t testing.TB, dir string) []Sample {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.bin"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no samples in %s (%v)", dir, err)
	}
	var samples []Sample
	for _, file := range files {
		head, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, Sample{strings.TrimSuffix(filepath.Base(file), ".bin"), head})
	}
	return samples
}

// Others returns first flights of other protocols, of at most 16 KiB: root is the top
// of the repository as the test sees it, names what is not wanted, "minecraft".
func Others(t testing.TB, root string, names ...string) []Sample {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "testdata/flights/*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("there are no flights in %s (%v)", root, err)
	}
	var samples []Sample
	for _, dir := range dirs {
		if slices.Contains(names, filepath.Base(dir)) {
			continue
		}
		for _, s := range Samples(t, dir) {
			if len(s.Head) <= 16<<10 {
				s.Name = filepath.Base(dir) + "/" + s.Name
				samples = append(samples, s)
			}
		}
	}
	return samples
}

// Heads returns the bytes of samples.
func Heads(samples []Sample) [][]byte {
	heads := make([][]byte, len(samples))
	for i, s := range samples {
		heads[i] = s.Head
	}
	return heads
}

// Golden compares what matchers, by the line that made them, say of each sample with
// testdata/verdicts.golden, which UPDATE=1 in the environment writes.
func Golden(t *testing.T, samples []Sample, matchers map[string]sdk.Matcher) {
	t.Helper()
	var got strings.Builder
	for _, line := range slices.Sorted(maps.Keys(matchers)) {
		got.WriteString(line + "\n")
		for _, s := range samples {
			f := matchtest.TCP()
			f.Head = s.Head
			got.WriteString("\t" + s.Name + ": " + matchtest.Ask(matchers[line], &f).String() + "\n")
		}
	}
	const file = "testdata/verdicts.golden"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// Agree holds two matchers against each other, the native one and the module of the
// same source: on the prefixes of each head, all up to 300 bytes, and with one byte
// after the other changed.
func Agree(t testing.TB, native, guest sdk.Matcher, heads ...[]byte) {
	t.Helper()
	for _, head := range heads {
		for n := range len(head) + 1 {
			if n <= 300 || n%61 == 0 || n == len(head) {
				agree(t, native, guest, head[:n])
			}
		}
		for i := range min(len(head), 64) {
			changed := bytes.Clone(head)
			changed[i] ^= 1 << (i % 8)
			agree(t, native, guest, changed)
		}
	}
}

func agree(t testing.TB, native, guest sdk.Matcher, head []byte) {
	t.Helper()
	f := matchtest.TCP()
	f.Head = head
	want := matchtest.Ask(native, &f)
	f = matchtest.TCP()
	f.Head = head
	if got := matchtest.Ask(guest, &f); want.String() != got.String() {
		t.Fatalf("%q: native %v, WebAssembly %v", head, want, got)
	}
}
