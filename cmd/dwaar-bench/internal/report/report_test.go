package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// result has one of everything that a table can show.
func result() *report.Result {
	ratio, itself := figures.Ratios([]float64{30, 31, 33}, []float64{60, 61, 60}), figures.Ratios([]float64{60, 61, 59}, []float64{61, 60, 60})
	r := &report.Result{
		Command: []string{"dwaar-bench", "run", "--quick"},
		Machine: report.Machine{
			When: "2026-01-02T03:04:05Z", Processor: "a processor", Cores: 2, Kernel: "6.18", Namespace: true, Congestion: "reno",
			Pinned: true, Rounds: 3, WindowMS: 80, Others: figures.Of([]float64{0.125}),
		},
		Peers: []report.Peer{{Name: "dwaar", Version: "1", Note: "set well"}, {Name: "nginx", Version: "2", Note: "set as well"}, {Name: "sslh"}},
		Measured: []report.Measured{
			{
				Name: "short", Title: "short connections", Reference: "nginx",
				Figures: []report.Figure{
					{Name: "CPU", Unit: "µs/connection", Itself: &itself, Of: map[string]report.Value{
						"dwaar": {Value: figures.Of([]float64{30, 31, 33}), Ratio: &ratio},
						"nginx": {Value: figures.Of([]float64{60, 61, 59})},
					}},
					{Name: "p99", Unit: "µs", Itself: &itself, Bare: true, Of: map[string]report.Value{
						"dwaar":       {Value: figures.Of([]float64{1234.5}), Ratio: &ratio},
						"nginx":       {Value: figures.Of(nil)},
						report.Direct: {Value: figures.Of([]float64{0.1234})},
					}},
				},
				Missing: map[string]string{"sslh": "it\nended"},
			},
			{
				Name: "calls", Title: "system calls",
				Figures: []report.Figure{{Name: "calls", Unit: "calls/connection", Of: map[string]report.Value{"dwaar": {Value: figures.Of([]float64{16.5})}}}},
				Calls:   map[string]map[string]float64{"dwaar": {"read": 3, "close": 2, "accept4": 1, "brk": 0.001}},
			},
			{Name: "none", Title: "what nobody can"},
		},
		Seconds: 61,
	}
	r.Measured[0].Count("dwaar", report.Done, 100)
	r.Measured[0].Count("nginx", report.Done, 98)
	r.Measured[0].Count("nginx", "from the wrong upstream", 2)
	r.Measured[0].Count("nginx", "never", 0)
	return r
}

func TestTablesAreAsPeopleReadThem(t *testing.T) {
	t.Parallel()
	const golden = "testdata/result.md"
	got := result().Markdown()
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
		t.Errorf("tables (-want +got), -update accepts them:\n%s", diff)
	}
}

func TestResultSurvivesBeingWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "result.json")
	want := result()
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := report.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if _, err := report.Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a result that does not exist was read")
	}
}

func TestTablesReplaceThoseOfADocument(t *testing.T) {
	t.Parallel()
	r := result()
	document := "# Text\n\n<!-- BEGIN dwaar-bench -->\nold\n<!-- END dwaar-bench -->\n\nmore text\n"
	want := "# Text\n\n<!-- BEGIN dwaar-bench -->\n\n" + r.Markdown() + "\n<!-- END dwaar-bench -->\n\nmore text\n"
	if diff := cmp.Diff(want, r.Into(document)); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
	if got := r.Into(want); got != want {
		t.Error("doing it again changes the document")
	}
	for _, other := range []string{"", "text", "<!-- BEGIN dwaar-bench -->\n"} {
		if got := r.Into(other); got != r.Markdown() {
			t.Errorf("of %q it made %q", other, got)
		}
	}
}
