package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// module is a program with tests that find some faults, and not others.
const module = `
-- go.mod --
module example.test/m

go 1.26
-- m.go --
package m

import "errors"

var errNone = errors.New("none")

type T struct{ a, b int }

func Largest(list []int) (n int, err error) {
	if len(list) == 0 {
		return 0, errNone
	}
	for _, v := range list {
		if v > n {
			n = v
		}
	}
	return n, nil
}

func Pair(a, b int) T { return T{a: a, b: b} }

func Both(a, b bool) bool { return a && b }

func Release(done *int) {
	defer func() { *done++ }()
}

func Unused() int { return 7 }
-- m_test.go --
package m

import "testing"

func TestM(t *testing.T) {
	if n, err := Largest([]int{1, 3, 2}); n != 3 || err != nil {
		t.Error(n, err)
	}
	Largest(nil)
	if p := Pair(1, 1); p.a != 1 {
		t.Error(p)
	}
	if !Both(true, true) || Both(true, false) {
		t.Error("both")
	}
	done := 0
	if Release(&done); done != 1 {
		t.Error(done)
	}
}
-- cmd/internal/mutate/equivalents --
# As in the repository.
m.go: Largest boundary: v > n -> v >= n #1
	The greatest of equal numbers is either.
`

func inModule(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(module)).Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// All operators are planted, compile together, and meet the fate that the tests decide.
func TestFaultsAreFoundOrSurvive(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a program")
	}
	inModule(t)
	packages, err := load(t.Context(), []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	all, err := find(packages)
	if err != nil {
		t.Fatal(err)
	}
	b, err := build(t.Context(), packages, all, suites(packages))
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(b.dir)
	o := options{workers: 2, slowest: 10 * time.Minute}
	tests, err := b.record(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	tryAll(t.Context(), b, tests, all, o)
	var got []string
	for _, m := range all {
		fate := m.outcome.String()
		if m.equivalent != "" {
			fate = "equivalent"
		}
		got = append(got, fmt.Sprintf("%s: %s: %s -> %s", fate, m.kind, oneLine(m.old), oneLine(m.new)))
	}
	want := []string{
		"killed: negated: len(list) == 0 -> !(len(list) == 0)",
		"survived: forgotten: len(list) == 0 -> false",
		"survived: constant: 0 -> 0 + 1",
		"survived: constant: 0 -> 0 - 1",
		"survived: no error: errNone -> nil",
		"survived: constant: 0 -> 0 + 1",
		"survived: constant: 0 -> 0 - 1",
		"killed: negated: v > n -> !(v > n)",
		"killed: forgotten: v > n -> false",
		"equivalent: boundary: v > n -> v >= n",
		"killed: removed: n = v -> ",
		"survived: swapped fields: a, b -> b, a",
		"killed: logic: a && b -> a || b",
		"killed: removed: defer func() { *done++ }() -> ",
		"killed: removed: *done++ -> ",
		"killed: arithmetic: *done++ -> *done--",
		"unreached: constant: 7 -> 7 + 1",
		"unreached: constant: 7 -> 7 - 1",
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var text bytes.Buffer
	if err := report(&text, []string{"."}, len(all), all, options{floor: 50}); err == nil || !strings.Contains(err.Error(), "below 50 %") {
		t.Errorf("reported: %v\n%s", err, &text)
	}
	if !strings.Contains(text.String(), "survived: ") || !strings.Contains(text.String(), "8 killed (0 by a test that hung), 9 survived (2 never reached); 1 equivalent, 0 no Go") {
		t.Errorf("reported\n%s", &text)
	}
}

func TestAReasonForNoMutantIsAnError(t *testing.T) {
	inModule(t)
	name := "cmd/internal/mutate/equivalents"
	if err := os.WriteFile(name, []byte("m.go: Largest boundary: v > m -> v >= m #1\n\tNo.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	packages, err := load(t.Context(), []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := find(packages); err == nil || !strings.Contains(err.Error(), "equivalents:1: there is no such mutant") {
		t.Errorf("found: %v", err)
	}
}

func TestTheSampleIsTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()
	var all []*mutant
	for i := range 100 {
		all = append(all, &mutant{id: i + 1})
	}
	ids := func(o options) (ids []int) {
		for _, m := range choose(all, o) {
			ids = append(ids, m.id)
		}
		return ids
	}
	first := ids(options{sample: 10, seed: 1})
	if diff := cmp.Diff(first, ids(options{sample: 10, seed: 1})); diff != "" || len(first) != 10 {
		t.Errorf("the same seed (-first +second):\n%s", diff)
	}
	if cmp.Equal(first, ids(options{sample: 10, seed: 2})) {
		t.Error("another seed gives the same sample")
	}
	if got := ids(options{only: []int{7, 3}}); !cmp.Equal(got, []int{3, 7}) {
		t.Errorf("only 7 and 3 gives %v", got)
	}
}

func TestTheIntervalHoldsTheRate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ k, n, low, high int }{{0, 0, 0, 100}, {60, 60, 94, 100}, {0, 60, 0, 6}, {54, 60, 80, 95}, {30, 60, 38, 62}} {
		low, high := wilson(tc.k, tc.n)
		if int(low+0.5) != tc.low || int(high+0.5) != tc.high {
			t.Errorf("%d of %d: %.1f to %.1f, want %d to %d", tc.k, tc.n, low, high, tc.low, tc.high)
		}
	}
}

func TestATestThatFailsIsNamed(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]string{
		"=== RUN\n--- FAIL: TestX (0.00s)\n    x_test.go:1: no\n": "TestX",
		"panic: no\n\ngoroutine 1":                                "panic: no",
		"":                                                        "",
	} {
		if got := failure([]byte(out)); got != want {
			t.Errorf("%q is called %q, want %q", out, got, want)
		}
	}
}
