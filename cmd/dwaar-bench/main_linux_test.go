package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
	"dwaar.dev/dwaar/host/realtest"
)

// TestMain lets the test binary be the processes that a run starts of this program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "helper" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command runs a command line and returns its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = execute(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// Dwaar, nginx and HAProxy do the work of every kind, all connections end well at the
// right upstream, and what is printed has figures of each. No time is asserted, and on a
// busy machine nothing may be done in one of two rounds.
func TestProxiesAreComparedAndNothingFails(t *testing.T) {
	for _, program := range []string{"nginx", "haproxy", "strace"} {
		realtest.Look(t, program)
	}
	file := filepath.Join(t.TempDir(), "result.json")
	scenarios := []string{"short-mux-tls", "short-mux-postgres", "short-names", "calls-plain-32", "requests-1", "bulk", "handshake-saturated", "half-close"}
	code, out, said := command(t, append([]string{
		"run", "--quick", "--rounds", "2", "--window", "120ms", "--pin=false", "--namespace=false",
		"--peers", "dwaar,nginx,haproxy", "--json", file,
	}, scenarios...)...)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	r, err := report.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if r.Markdown() != out {
		t.Errorf("it printed other tables than those of the result:\n%s", out)
	}
	if len(r.Measured) != len(scenarios) {
		t.Fatalf("%d of %d scenarios were measured:\n%s", len(r.Measured), len(scenarios), said)
	}
	for _, m := range r.Measured {
		for _, name := range []string{"dwaar", "nginx", "haproxy"} {
			if complaint := wellDone(m, name); complaint != "" {
				t.Errorf("%s, %s: %s", m.Name, name, complaint)
			}
		}
	}
}

// wellDone says what is wrong with what one proxy did in a scenario.
func wellDone(m report.Measured, name string) string {
	counted, missing := m.Counted[name], m.Missing[name]
	for _, f := range m.Figures {
		v := f.Of[name]
		switch {
		case v.Value.Rounds == 0:
			return fmt.Sprintf("%s has no value", f.Name)
		case f.Name == "calls" && (v.Value.Median < 10 || m.Calls[name]["connect"] != 1):
			return fmt.Sprintf("a connection takes more calls than %v", m.Calls[name])
		case f.Name == "answered" && name != "nginx" && v.Value.Median != 20:
			return fmt.Sprintf("%v of 20 half-closed clients were answered", v.Value.Median)
		}
	}
	delete(counted, report.Done)
	delete(counted, "still waiting")               // on a busy machine
	if m.Name == "half-close" && name == "nginx" { // it closes with the client, as it is set by default
		delete(counted, "the answer was lost")
	}
	if missing != "" || len(m.Figures) == 0 || len(counted) > 0 {
		return fmt.Sprintf("failures %v, missing: %q", counted, missing)
	}
	return ""
}

func TestListNamesScenariosAndProxies(t *testing.T) {
	t.Parallel()
	code, out, said := command(t, "list")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	for _, word := range append(scenarioNames(), "dwaar", "nginx", "haproxy", "haproxy-splice", "sslh", "plain-go") {
		if !slices.Contains(strings.Fields(out), word) {
			t.Errorf("the list is without %s", word)
		}
	}
}

func TestWrongUsageSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"run", "everything"}, 2, "`dwaar-bench list` names them"},
		{[]string{"run", "--peers", "apache"}, 2, "`dwaar-bench list` names them"},
		{[]string{"run", "--peer", "dwaar"}, 2, "write NAME=PATH"},
		{[]string{"run", "--peer", "nginx=/bin/true"}, 2, "only a dwaar can have another path"},
		{[]string{"run", "--rounds", "0", "--window", "1h"}, 2, "--window between 20ms and 10s"},
		{[]string{"run", "--peer", "old=/nonexistent", "--peers", "old", "--reference", "old"}, 1, "there is no /nonexistent"},
		{[]string{"table", "/nonexistent"}, 1, "reading a result"},
		{[]string{"table"}, 2, "--help"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			args := tt.args
			if args[0] == "run" {
				args = append(slices.Clone(args), "--namespace=false")
			}
			code, _, said := command(t, args...)
			if code != tt.code || !strings.Contains(said, tt.want) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, tt.code, tt.want, said)
			}
		})
	}
}

// One address attacks every phase, and everybody else is served, with event loops and
// without.
func TestOneAddressKeepsNobodyOut(t *testing.T) {
	for _, loops := range []string{"0", "2"} {
		code, out, said := command(t, "exhaust", "--scale", "100", "--others", "20", "--patience", "5m", "--event-loops", loops)
		if code != 0 {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
		rows := strings.Split(strings.TrimSpace(out), "\n")[2:]
		if len(rows) != len(phaseNames()) {
			t.Errorf("%d phases were attacked:\n%s", len(rows), out)
		}
		for _, row := range rows {
			if !strings.Contains(row, " 100.0 % ") {
				t.Errorf("with %s event loops, not everybody is served: %s", loops, row)
			}
		}
	}
}
