package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"dwaar.dev/dwaar/host/realtest"
)

// The go command itself tests a small module in which everything happens that
// can happen to a package.
func TestSummaryOfARealRun(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/module.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := txtar.Write(archive, dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(realtest.Look(t, "go"), "test", "-json", "./...")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOFLAGS=", "GOWORK=off")
	events, err := realtest.Run(t, cmd)
	if err == nil {
		t.Fatalf("go test passed: %s", events)
	}

	var out strings.Builder
	got, err := Summarize(strings.NewReader(events), &out)
	if err != nil {
		t.Fatalf("%v in\n%s", err, events)
	}
	want := Summary{Passed: 3, Failed: 6, Skipped: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s\n%s", diff, &out)
	}
	closing := out.String()[strings.Index(out.String(), "skipped: "):]
	wantClosing := `skipped: example.org/m/mixed TestSkips: mixed_test.go:5: for a reason
failed: example.org/m/broken
failed: example.org/m/exits
failed: example.org/m/mixed TestParent/bad
failed: example.org/m/mixed TestParent
failed: example.org/m/panics TestPanics
failed: example.org/m/vetted
3 passed, 6 failed, 1 skipped
`
	if diff := cmp.Diff(wantClosing, closing); diff != "" {
		t.Errorf("closing lines (-want +got):\n%s\nof\n%s", diff, &out)
	}
	for _, pattern := range []string{
		`(?m)^ok  \texample.org/m/good\t`,
		`(?m)^\?   \texample.org/m/none\t\[no test files\]$`,
		`(?m)^broken/broken_test.go:3:9: undefined: missing$|undefined: missing`,
		`mixed_test.go:11: this is bad`,
		`panic: at once`,
	} {
		if !regexp.MustCompile(pattern).MatchString(out.String()) {
			t.Errorf("no %q in\n%s", pattern, &out)
		}
	}
	if strings.Contains(out.String(), "hidden while it passes") {
		t.Errorf("output of a passing test in\n%s", &out)
	}
}

func TestARunThatWasCutOffHasFailed(t *testing.T) {
	t.Parallel()
	got, err := Summarize(strings.NewReader(`{"Action":"run","Package":"p","Test":"TestA"}`), &strings.Builder{})
	if diff := cmp.Diff(Summary{Failed: 1}, got); diff != "" || err != nil {
		t.Errorf("counts (-want +got), error %v:\n%s", err, diff)
	}
}

func TestOtherInputIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Summarize(strings.NewReader("ok\n"), &strings.Builder{}); err == nil {
		t.Error("plain output of go test was taken for events")
	}
}
