package record_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/wasm/record"
	"dwaar.dev/dwaar/sdk/abi"
)

// one is a record with everything in it.
func one() *record.Record {
	config, _ := abi.NewTokens().Word("a.org").Block()
	return &record.Record{
		Version: record.Version, Plugin: "mc", Module: strings.Repeat("0f", 32), Pages: 256, Window: abi.WindowSize(16<<10, 0),
		Matcher: "login", Config: config,
		Conn: record.Conn{
			Network: "udp", Remote: netip.MustParseAddrPort("192.0.2.1:1"), Hidden: true,
			Local: netip.MustParseAddrPort("[2001:db8::1]:443"), Accepted: 1_749_126_600_000_000_007, Listener: "udp/:443",
			MaxHead: 16 << 10, ServerName: "a.org", ALPN: "h2", TLSVersion: 0x304, Cipher: 0x1301, Proxied: true,
		},
		Head: []byte("\x00\xffhead"), Bounds: []int{0, 2, 6},
		Reads:  []record.Fact{{Name: "vars.a", Value: []byte{}}, {Name: "vars.b"}, {Name: "tls.c", Value: []byte("<\x80>")}},
		Budget: 500_600,
		Outcome: record.Outcome{
			Answer: 7, Facts: []record.Fact{{Name: "host", Value: []byte("a.org")}}, Fuel: 442,
		},
	}
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records")
	f, err := record.Open(path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	failed, stream := one(), one()
	failed.Outcome = record.Outcome{Error: "fuel", Text: "it took more fuel than it may", Fuel: 500_700}
	stream.Bounds, stream.Conn.Remote, stream.Head = nil, netip.AddrPort{}, []byte{}
	want := []*record.Record{one(), failed, stream}
	for _, r := range want {
		if err := f.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, path), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func read(t *testing.T, path string) []*record.Record {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []*record.Record
	for r := record.NewReader(f); ; {
		rec, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
}

func TestAFileIsNeverLongerThanItMayBe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records")
	const limit = 4 << 10
	for range 2 { // the second one begins where the first one ended
		f, err := record.Open(path, limit)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			err = f.Write(one())
		}
		if !errors.Is(err, record.ErrFull) {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > limit || info.Size() < limit/2 || info.Mode().Perm() != 0o600 {
		t.Errorf("%d bytes, mode %v, %v", info.Size(), info.Mode(), err)
	}
	if n := len(read(t, path)); n < 3 {
		t.Errorf("%d records", n)
	}
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open, link := filepath.Join(dir, "open"), filepath.Join(dir, "link")
	if err := os.WriteFile(open, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{open: "others could read", link: "too many levels", dir: "is a directory"} {
		if _, err := record.Open(path, 1<<20); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestAnUnfinishedLineCostsOneRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records")
	if err := os.WriteFile(path, []byte(`{"version":1,"plug`), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := record.Open(path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Write(one()), f.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := record.NewReader(bytes.NewReader(text))
	if _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("the damaged one: %v", err)
	}
	if got, err := r.Next(); err != nil || got.Plugin != "mc" {
		t.Errorf("the other one: %v, %v", got, err)
	}
}

func TestRecordsThatNoHostCanBeGivenAreRefused(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(r *record.Record){
		"its version is 2":        func(r *record.Record) { r.Version = 2 },
		"no hash":                 func(r *record.Record) { r.Module = "00" },
		`"No" is no matcher`:      func(r *record.Record) { r.Matcher = "No" },
		"memory of 0":             func(r *record.Record) { r.Pages = 0 },
		"budget of -1":            func(r *record.Record) { r.Budget = -1 },
		"asks for 65 facts":       func(r *record.Record) { r.Reads = make([]record.Fact, 65) },
		"window of 17 is":         func(r *record.Record) { r.Window = 17 },
		"arguments of 99999":      func(r *record.Record) { r.Config = make([]byte, 99_999) },
		"head of 99999":           func(r *record.Record) { r.Head, r.Bounds = make([]byte, 99_999), nil },
		"greatest head of -1":     func(r *record.Record) { r.Conn.MaxHead = -1 },
		"ends at 7 of 6 bytes":    func(r *record.Record) { r.Bounds = []int{7} },
		"ends at 1 of 6 bytes":    func(r *record.Record) { r.Bounds = []int{2, 1} },
		"unmarshal":               nil,
		"reading the record in l": func(r *record.Record) { r.Version = 0 },
	} {
		path := filepath.Join(t.TempDir(), "records")
		f, err := record.Open(path, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		r := one()
		if change != nil {
			change(r)
		}
		if err := errors.Join(f.Write(r), f.Close()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if change == nil {
			text = []byte(`{"version":"1"}`)
		}
		if _, err := record.NewReader(bytes.NewReader(text)).Next(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestDifferencesAreNamed(t *testing.T) {
	t.Parallel()
	was, is := one().Outcome, one().Outcome
	if d := was.Diff(&is); d != "" || !was.Same(&is) {
		t.Errorf("equal ones differ: %s", d)
	}
	is = record.Outcome{Error: "trap", Text: "x", Fuel: 1}
	want := "answer: was 7, is 0\nerror: was none, is trap: x\nfuel: was 442, is 1\nfact: was host=\"a.org\", is none\n"
	if diff := cmp.Diff(want, was.Diff(&is)); diff != "" || was.Same(&is) {
		t.Errorf("(-want +got):\n%s", diff)
	}
	five, nine := record.Outcome{Answer: -5, Fuel: 1}, record.Outcome{Answer: -9, Fuel: 2}
	if !five.Same(&nine) || five.Same(&was) || five.Same(&record.Outcome{Answer: abi.Unknown}) {
		t.Error("what is undecided is like nothing else")
	}
}

// Whatever a file holds, reading it ends, and what is read is written and read again
// as it is.
func FuzzReader(f *testing.F) {
	for _, r := range []*record.Record{one(), {Version: 1}} {
		dir := f.TempDir()
		file, err := record.Open(filepath.Join(dir, "r"), 1<<20)
		if err != nil {
			f.Fatal(err)
		}
		if err := errors.Join(file.Write(r), file.Close()); err != nil {
			f.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "r"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, 40)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		at := max(0, min(cut, len(text)))
		r := record.NewReader(io.MultiReader(bytes.NewReader(text[:at]), bytes.NewReader(text[at:])))
		for range len(text) + 1 {
			rec, err := r.Next()
			if err == io.EOF {
				return
			}
			if err == nil {
				again(t, rec)
			}
		}
	})
}

func again(t *testing.T, rec *record.Record) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r")
	f, err := record.Open(path, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Write(rec), f.Close()); err != nil {
		t.Fatal(err)
	}
	got := read(t, path)
	if len(got) != 1 || got[0].Outcome.Diff(&rec.Outcome) != "" || !bytes.Equal(got[0].Head, rec.Head) {
		t.Fatalf("it is %+v, and was %+v", got, rec)
	}
}
