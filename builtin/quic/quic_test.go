package quic_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/quic"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// flights returns the first datagrams of real clients, by name.
func flights(t testing.TB) map[string][][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "flights", "quic", "*.bin"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no flights: %v", err)
	}
	slices.Sort(files)
	all := map[string][][]byte{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(file), ".")
		all[name] = append(all[name], b)
	}
	return all
}

// node makes the tree of one matcher: each option is its name and its arguments.
func node(options ...[]string) *sdk.Node {
	n := &sdk.Node{Name: "quic"}
	for i, o := range options {
		line := sdk.Node{Name: o[0], Pos: sdk.Pos{File: "Dwaarfile", Line: i + 2, Col: 3}}
		for j, arg := range o[1:] {
			line.Args = append(line.Args, sdk.Word{Text: arg, Pos: sdk.Pos{File: "Dwaarfile", Line: i + 2, Col: 10 * (j + 1)}})
		}
		n.Block = append(n.Block, line)
	}
	return n
}

func matcher(t testing.TB, options ...[]string) sdk.Matcher {
	t.Helper()
	m, err := quic.New(node(options...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// line is an option.
func line(words ...string) []string { return words }

// session returns a flow that has received datagrams.
func session(datagrams ...[]byte) sdk.Flow {
	f := matchtest.UDP()
	f.Bounds = []int{}
	for _, d := range datagrams {
		f.Head = append(f.Head, d...)
		f.Bounds = append(f.Bounds, len(f.Head))
	}
	return f
}

func ask(m sdk.Matcher, datagrams ...[]byte) matchtest.Result {
	f := session(datagrams...)
	return matchtest.Ask(m, &f)
}

func TestFactsOfRealClients(t *testing.T) {
	t.Parallel()
	facts := func(quic, name, alpn string) map[string]string {
		return map[string]string{"version": quic, "tls.server_name": name, "tls.alpn": alpn, "tls.version": "tls1.3"}
	}
	want := map[string]map[string]string{
		"chromium":               facts("v1", "chromium.example.com", "h3"),
		"chromium-v2":            facts("v2", "chromium.example.com", "h3"),
		"ngtcp2":                 facts("v1", "localhost", "h3"),
		"ngtcp2-draft29":         facts("draft-29", "localhost", "h3"),
		"ngtcp2-reserved":        {"version": "0x1a2a3a4a"},
		"ngtcp2-v2draft":         {"version": "0x709a50c4"},
		"quic-go":                facts("v1", "app.example.com", "h3"),
		"quic-go-http3":          facts("v1", "app.example.com", "h3"),
		"quic-go-classic":        facts("v1", "app.example.com", "h3,hq-interop"),
		"quic-go-no-name":        {"version": "v1", "tls.alpn": "h3", "tls.version": "tls1.3"},
		"quic-go-resume":         facts("v1", "app.example.com", "h3"),
		"quic-go-resume-classic": facts("v1", "app.example.com", "h3"),
		"quic-go-v2":             facts("v2", "v2.example.com", "h3"),
		"x-net":                  facts("v1", "app.example.com", "h3"),
		"x-net-classic":          facts("v1", "app.example.com", "h3"),
	}
	want["chromium"]["tls.ech"], want["chromium-v2"]["tls.ech"] = "outer", "outer"
	got := map[string]map[string]string{}
	for name, datagrams := range flights(t) {
		r := ask(matcher(t), datagrams...)
		if r.Answer.Verdict != sdk.Yes {
			t.Errorf("%s: %v", name, r)
		}
		got[name] = r.Facts
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestOptionsSelect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		options [][]string
		flight  string
		want    sdk.Verdict
	}{
		{[][]string{line("sni", "app.example.com")}, "quic-go", sdk.Yes},
		{[][]string{line("sni", "a.example", "*.Example.com.")}, "quic-go-v2", sdk.Yes},
		{[][]string{line("sni", "*.com", "example.com")}, "quic-go", sdk.No},
		{[][]string{line("sni", "app.example.com")}, "quic-go-no-name", sdk.No},
		{[][]string{line("sni", "localhost")}, "ngtcp2-draft29", sdk.Yes},
		{[][]string{line("sni", "localhost")}, "ngtcp2-reserved", sdk.Unknown},
		{[][]string{line("sni_regexp", `^app\.`)}, "quic-go", sdk.Yes},
		{[][]string{line("sni_regexp", `^app$`)}, "quic-go", sdk.No},
		{[][]string{line("sni_regexp", `.`)}, "quic-go-no-name", sdk.No},
		{[][]string{line("sni_regexp", `.`)}, "ngtcp2-v2draft", sdk.Unknown},
		{[][]string{line("alpn", "h3")}, "chromium", sdk.Yes},
		{[][]string{line("alpn", "imap", "hq-interop")}, "quic-go-classic", sdk.Yes},
		{[][]string{line("alpn", "h2", "h")}, "chromium", sdk.No},
		{[][]string{line("alpn", "h3")}, "ngtcp2-reserved", sdk.Unknown},
		{[][]string{line("version", "tls1.3")}, "x-net", sdk.Yes},
		{[][]string{line("version", "tls1.2")}, "x-net", sdk.No},
		{[][]string{line("version", "tls1.2")}, "ngtcp2-reserved", sdk.Unknown},
		{[][]string{line("ja4")}, "ngtcp2-reserved", sdk.Unknown},
		{[][]string{line("ja4", "q13d0312h3_55b375c5d22e_178839b6cec1")}, "chromium-v2", sdk.Yes},
		{[][]string{line("ja4", "q13d0312h3_55b375c5d22e_178839b6cec1")}, "quic-go", sdk.No},
		{[][]string{line("sni", "chromium.example.com"), line("alpn", "h3")}, "chromium", sdk.Yes},
		{[][]string{line("sni", "chromium.example.com"), line("alpn", "h2")}, "chromium", sdk.No},
		{[][]string{line("remote_ip", "10.0.0.0/8")}, "chromium", sdk.Yes}, // judged by another matcher
	}
	for _, test := range tests {
		if got := ask(matcher(t, test.options...), flights(t)[test.flight]...).Answer.Verdict; got != test.want {
			t.Errorf("%q on %s: %v, want %v", test.options, test.flight, got, test.want)
		}
	}
}

func TestFactsOfOptionsHaveTwoNames(t *testing.T) {
	t.Parallel()
	m := matcher(t, line("ja4"), line("sni_regexp", `^(?P<app>[a-z]+)\.`))
	got := ask(m, flights(t)["quic-go"]...).Facts
	want := map[string]string{
		"version": "v1", "tls.server_name": "app.example.com", "tls.alpn": "h3", "tls.version": "tls1.3",
		"tls.ja4":      "q13d0313h3_55b375c5d22e_f902b76752af",
		"tls.regexp.0": "app.", "tls.regexp.1": "app", "tls.regexp.app": "app",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	var names []string
	for _, f := range quic.Spec().Facts {
		if f.Key != "version" && !f.Asked {
			names = append(names, f.Key)
		}
	}
	for _, key := range []string{"tls.ja4", "tls.regexp.0", "tls.regexp.1", "tls.regexp.app"} {
		names = append(names, key, "quic."+key)
	}
	sets := m.(sdk.FactSetter).Sets()
	slices.Sort(names)
	slices.Sort(sets)
	if diff := cmp.Diff(names, sets); diff != "" {
		t.Errorf("names beside those of the description (-want +got):\n%s", diff)
	}
}

// TestEveryMatcherObeysTheLaws looks at every flight, cut at every datagram, and at
// each of its datagrams alone.
func TestEveryMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	var sessions [][][]byte
	for _, datagrams := range flights(t) {
		sessions = append(sessions, datagrams)
		for i := range datagrams {
			sessions = append(sessions, datagrams[i:i+1], append(datagrams[i:len(datagrams):len(datagrams)], nil, datagrams[0]))
		}
	}
	sessions = append(sessions, [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")}, [][]byte{{}}, [][]byte{{0xc0}})
	for name, m := range map[string]sdk.Matcher{
		"quic":    matcher(t),
		"sni":     matcher(t, line("sni", "*.example.com", "localhost")),
		"options": matcher(t, line("sni_regexp", `example\.com$`), line("alpn", "h3"), line("version", "tls1.3"), line("ja4")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			matchtest.Datagrams(t, m, matchtest.UDP(), sessions...)
		})
	}
}

func TestWhatIsMissingIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, datagrams := range flights(t) {
		decided := false
		for n := range datagrams {
			r := ask(matcher(t), datagrams[:n+1]...)
			if decided && r.Answer.Verdict != sdk.Yes {
				t.Errorf("%s: %d datagrams give %v after yes", name, n+1, r)
			}
			decided = r.Answer.Verdict == sdk.Yes
			if !decided && r.Answer.Decided() {
				t.Errorf("%s: %d datagrams give %v", name, n+1, r)
			}
		}
		slices.Reverse(datagrams)
		if r := ask(matcher(t), datagrams...); r.Answer.Verdict != sdk.Yes {
			t.Errorf("%s in the reverse order: %v", name, r)
		}
	}
}

// TestOneChangedByteIsRefused changes every byte of packets that decide: all of them
// are authentic. What stands behind a packet may be anything.
func TestOneChangedByteIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"quic-go-classic", "ngtcp2", "ngtcp2-draft29", "x-net-classic"} {
		d := slices.Clone(flights(t)[name][0])
		_, size := newSide(t, binary.BigEndian.Uint32(d[1:]), d[6:6+d[5]], "client in").open(d)
		for i := range d {
			if i >= 1 && i < 5 {
				continue // the version, which may be one that only the server knows
			}
			want := sdk.No
			if i >= size {
				want = sdk.Yes
			}
			d[i] ^= 0x41
			if r := ask(matcher(t), d); r.Answer.Verdict != want {
				t.Errorf("%s with another byte %d: %v", name, i, r)
			}
			d[i] ^= 0x41
		}
	}
}

func TestStreamsAreNotQUIC(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		f := matchtest.TCP()
		f.Network = network
		f.Head = flights(t)["quic-go-classic"][0]
		if r := matchtest.Ask(matcher(t), &f); r.Answer.Verdict != sdk.No {
			t.Errorf("%s: %v", network, r)
		}
	}
	matchtest.Laws(t, matcher(t), matchtest.TCP(), flights(t)["quic-go-classic"][0])
}

// TestNothingElseIsQUIC asks about every other capture, as one datagram, and as one that
// is long enough.
func TestNothingElseIsQUIC(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "flights", "*", "*.bin"))
	if err != nil {
		t.Fatal(err)
	}
	others := 0
	for _, file := range files {
		if filepath.Base(filepath.Dir(file)) == "quic" {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range [][]byte{b, append(b, make([]byte, 1200)...)} {
			long := b[0]&0xc0 == 0xc0 // as a packet of a version that nobody knows may begin
			if r := ask(matcher(t), d); r.Answer.Verdict != sdk.No && !long || r.Answer.Verdict == sdk.Yes && len(d) == len(b) {
				t.Errorf("%s: %v", file, r)
			}
		}
		others++
	}
	if others == 0 {
		t.Error("no other capture")
	}
}

func TestOnlyPlainNamesAreAKey(t *testing.T) {
	t.Parallel()
	keyed, ok := matcher(t, line("sni", "B.example.", "*.a.example")).(sdk.Keyed)
	if !ok {
		t.Fatal("sni is not keyed")
	}
	by, names := keyed.Keys()
	if diff := cmp.Diff([]string{"b.example", "*.a.example"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if other, _ := matcher(t, line("sni", "c.example")).(sdk.Keyed).Keys(); by != other {
		t.Error("two lists of names have selectors that differ")
	}
	if fact := by.(sdk.FactSelector).Fact(); fact != "tls.server_name" {
		t.Errorf("the key is the fact %s", fact)
	}
	if p, _ := matcher(t, line("sni_regexp", "a")).(sdk.Patterned).Pattern(); p != by {
		t.Error("the selector of a pattern is another")
	}
	for _, options := range [][][]string{{}, {line("sni", "a.example"), line("alpn", "h3")}, {line("sni", "a.example"), line("ja4")}} {
		if _, ok := matcher(t, options...).(sdk.Keyed); ok {
			t.Errorf("%q is keyed", options)
		}
	}
}

func TestBadArgumentsAreErrorsAtTheirPlaces(t *testing.T) {
	t.Parallel()
	_, err := quic.New(node(
		line("sni", "*", "a..example"),
		line("ja4", "q13d0312h3_55b375c5d22e_178839b6cec1", "t13d1516h2_8daaf6152771_e5627efa2ab1"),
	))
	if err == nil {
		t.Fatal("no error")
	}
	want := `Dwaarfile:2:10: * is no server name: write *.example.com, or for any name sni_regexp .
Dwaarfile:2:20: "a..example" has an empty label: write a host name like app.example.com
Dwaarfile:3:20: "t13d1516h2_8daaf6152771_e5627efa2ab1" is no JA4 fingerprint: write one like q13d1516h2_8daaf6152771_e5627efa2ab1`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// TestPlantedFaultsAreFound shows that the samples give the laws room to find every
// fault there is a mutant of.
func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	get := []byte("GET / HTTP/1.1\r\n")
	sessions := [][][]byte{
		append(flights(t)["quic-go-v2"], get),
		append(flights(t)["quic-go-classic"], get),
		{get},
		{{'x'}, get},
	}
	none := []string{
		"it reads the clock",                       // Check does not look for that
		"it asks for one byte too many",            // any number asks for another datagram
		"it asks for the greatest number there is", // as above
	}
	for _, mutant := range matchtest.Mutants() {
		if slices.Contains(none, mutant.Fault) {
			continue
		}
		m := mutant.Plant(matcher(t, line("sni", "*.example.com")))
		if matchtest.CheckDatagrams(m, matchtest.UDP(), sessions...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}
