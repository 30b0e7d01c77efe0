package wasm

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

var update = flag.Bool("update", false, "write testdata/fuel.golden")

// What an evaluation takes does not depend on the run, the machine, or the version of
// dwaar: the guests of the figures take this for these heads, for ever. .ci/arm64 runs
// this for another architecture, too.
func TestFuelOfAHeadIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	const golden = "testdata/fuel.golden"
	k := newBench(t)
	got := fuelOf(t, k, sniGuest) + fuelOf(t, k, sniStoreGuest)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("fuel (-want +got):\n%s", diff)
	}
}

// The same for every committed plugin, told to who compares two machines: $FUEL_LIST is
// the file it is written to.
func TestFuelOfPluginsIsTheSameTwice(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(root + "/plugins/*/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatalf("no plugins (%v)", err)
	}
	var lists [2]strings.Builder
	for i := range lists {
		k := newBench(t)
		for _, file := range files {
			lists[i].WriteString(fuelOf(t, k, file))
		}
	}
	if diff := cmp.Diff(lists[0].String(), lists[1].String()); diff != "" {
		t.Errorf("fuel (-first +second):\n%s", diff)
	}
	if to := os.Getenv("FUEL_LIST"); to != "" {
		if err := os.WriteFile(to, []byte(lists[0].String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fuelOf tells what a module answers to each first flight, and what that takes.
func fuelOf(t *testing.T, k *bench, path string) string {
	t.Helper()
	in, m := instanceOf(t, k, path)
	files, err := filepath.Glob(root + "/testdata/flights/*/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no flights (%v)", err)
	}
	var list strings.Builder
	for _, file := range files {
		head, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f := matchtest.TCP()
		f.Head = head[:min(len(head), 16<<10)]
		answer, used, err := in.evaluate(m, &f, m.plugin.budget(len(f.Head)))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%s %s/%s: %s, %d units\n", filepath.Base(path), filepath.Base(filepath.Dir(file)), filepath.Base(file), verdictText(verdict(answer, &f)), used)
	}
	return list.String()
}

// verdictText is a verdict in words.
func verdictText(v sdk.Verdict) string { return sdk.Answer{Verdict: v}.String() }
