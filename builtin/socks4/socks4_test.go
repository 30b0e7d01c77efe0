package socks4_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/internal/flighttest"
	"dwaar.dev/dwaar/builtin/socks4"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func node(lines ...string) *sdk.Node {
	n := &sdk.Node{Name: "socks4", Pos: sdk.Pos{Line: 1, Col: 1}}
	for i, line := range lines {
		words := strings.Fields(line)
		o := sdk.Node{Name: words[0], Pos: sdk.Pos{Line: i + 2, Col: 1}}
		for j, text := range words[1:] {
			o.Args = append(o.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: i + 2, Col: j + 2}})
		}
		n.Block = append(n.Block, o)
	}
	return n
}

func matcher(t testing.TB, lines ...string) sdk.Matcher {
	t.Helper()
	m, err := socks4.New(node(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ask(m sdk.Matcher, head string) string {
	f := matchtest.TCP()
	f.Head = []byte(head)
	return matchtest.Ask(m, &f).String()
}

func forms(t testing.TB) []sdk.Matcher {
	t.Helper()
	return []sdk.Matcher{
		matcher(t),
		matcher(t, "commands connect"),
		matcher(t, "networks 192.0.2.0/26 10.0.0.0/8"),
		matcher(t, "ports 22 80 443"),
		matcher(t, "commands BIND CONNECT", "networks 192.0.2.0/24 2001:db8::/32", "ports 80", "ports 443"),
	}
}

func samples(t testing.TB) [][]byte {
	t.Helper()
	own := flighttest.Own(t, "socks4")
	heads := [][]byte{nil, []byte("GET / HTTP/1.1\r\n"), []byte("\x04\x01\x00\x50\x00\x00\x00\x01" + strings.Repeat("u", 256) + "\x00h\x00")}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		heads = append(heads, own[name], append(slices.Clone(own[name]), "what the client sends behind"...))
	}
	return heads
}

func TestRealClientsAreJudged(t *testing.T) {
	t.Parallel()
	ms := forms(t)
	want := map[string][]string{
		"curl-socks4":       {"yes", "yes", "no", "no", "no"},
		"curl-socks4-user":  {"yes", "yes", "no", "yes", "yes"},
		"curl-socks4a":      {"yes", "yes", "unknown", "yes", "unknown"},
		"curl-socks4a-user": {"yes", "yes", "unknown", "yes", "unknown"},
		"ncat-socks4":       {"yes", "yes", "yes", "yes", "no"},
		"npm-bind":          {"yes", "no", "yes", "no", "no"},
	}
	got := map[string][]string{}
	for name, head := range flighttest.Own(t, "socks4") {
		for _, m := range ms {
			got[name] = append(got[name], ask(m, string(head)))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to captured flights (-want +got):\n%s", diff)
	}
}

// TestRequestsAreJudgedAtTheFirstImpossibleByte has a bar before the byte that decides.
func TestRequestsAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 255)
	for _, c := range []struct {
		lines, head string
		want        sdk.Verdict
	}{
		{"", "\x04\x01\x00\x50\xc0\x00\x02\x01|\x00", sdk.Yes},
		{"", "\x04\x02\x00\x00\x00\x00\x00\x00alice|\x00", sdk.Yes}, // 0.0.0.0 announces no name
		{"", "\x04\x01\x00\x50\x00\x00\x00\xff\x00app|\x00", sdk.Yes},
		{"", "\x04\x01\x00\x50\x00\x00\x01\x00|\x00", sdk.Yes}, // neither does 0.0.1.0
		{"", "|\x05\x01\x00", sdk.No},
		{"", "\x04|\x00\x00\x00", sdk.No},
		{"", "\x04|\x03\x00\x00", sdk.No},
		{"commands BIND", "\x04|\x01\x00\x00", sdk.No},
		{"commands BIND;ports 20", "\x04\x02\x00|\x15\x00", sdk.No},
		{"commands CONNECT;ports 20", "\x04\x01\x00\x14\x01\x02\x03\x04|\x00", sdk.Yes},
		{"networks 192.0.2.0/24", "\x04\x01\x00\x50\xc0\x00\x03|\x01\x00", sdk.No},
		{"networks 0.0.0.0/0", "\x04\x01\x00\x50\x00\x00\x00|\x01\x00a\x00", sdk.Unknown},
		{"", "\x04\x01\x00\x50\xc0\x00\x02\x01" + long + "|\x00", sdk.Yes},
		{"", "\x04\x01\x00\x50\xc0\x00\x02\x01" + long + "|n\x00", sdk.Unknown},
		{"", "\x04\x01\x00\x50\x00\x00\x00\x01\x00" + long + "|\x00", sdk.Yes},
		{"", "\x04\x01\x00\x50\x00\x00\x00\x01\x00" + long + "|n\x00", sdk.Unknown},
		{"ports 80", "\x04\x01\x00\x50\xc0\x00\x02\x01|\x00", sdk.Yes},
		{"ports 443", "\x04\x01\x00\x50\xc0\x00\x02\x01|\x00", sdk.No}, // keyed: all the request is read first
	} {
		lines := strings.FieldsFunc(c.lines, func(r rune) bool { return r == ';' })
		before, after, _ := strings.Cut(c.head, "|")
		head, m := before+after, matcher(t, lines...)
		for n := range len(head) + 1 {
			f := matchtest.TCP()
			f.Head = []byte(head[:n])
			v := matchtest.Ask(m, &f).Answer.Verdict
			if n <= len(before) && v.Decided() || n > len(before) && v != c.want {
				t.Errorf("%s: %q: %v", c.lines, f.Head, v)
			}
		}
	}
}

func TestAChangedVersionOrCommandIsNo(t *testing.T) {
	t.Parallel()
	m := matcher(t)
	for name, head := range flighttest.Own(t, "socks4") {
		for at := range 2 {
			for b := range 256 {
				changed := slices.Clone(head)
				changed[at] = byte(b)
				want := "no"
				if b == int(head[at]) || at == 1 && (b == 1 || b == 2) {
					want = "yes"
				}
				if got := ask(m, string(changed)); got != want {
					t.Errorf("%s with %#02x at %d: %s, want %s", name, b, at, got, want)
				}
			}
		}
	}
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	for _, m := range []sdk.Matcher{matcher(t), matcher(t, "ports 80")} {
		for name, head := range flighttest.Foreign(t, "socks4") {
			if got := ask(m, string(head)); got != "no" {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	for _, m := range forms(t) {
		matchtest.Laws(t, m, matchtest.TCP(), samples(t)...)
	}
}

func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	own := flighttest.Own(t, "socks4")
	heads := [][]byte{
		own["curl-socks4"], append(own["curl-socks4a"], "behind"...), own["ncat-socks4"],
		[]byte("\x04\x01\x00\x50\xc0\x00\x02\x01ALICE\x00"), []byte("GET / HTTP/1.1\r\n"),
	}
	for _, mutant := range matchtest.Mutants() {
		switch mutant.Fault {
		case "it reads the clock": // Check does not look for that
			continue
		case "it takes *. for any number of labels", "its key is not lower case": // a port is digits
			continue
		}
		if matchtest.Check(mutant.Plant(matcher(t, "ports 22 80")), matchtest.TCP(), heads...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

func TestOnlyPortsAreAKey(t *testing.T) {
	t.Parallel()
	by, names := matcher(t, "ports 80 443").(sdk.Keyed).Keys()
	other, _ := matcher(t, "ports 22").(sdk.Keyed).Keys()
	if diff := cmp.Diff([]string{"80", "443"}, names); diff != "" || by != other {
		t.Errorf("selectors %v and %v, names (-want +got):\n%s", by, other, diff)
	}
	for _, lines := range [][]string{{}, {"commands CONNECT", "ports 80"}, {"networks 10.0.0.0/8", "ports 80"}} {
		if _, keyed := matcher(t, lines...).(sdk.Keyed); keyed {
			t.Errorf("%q has a key", lines)
		}
	}
}

func TestWrongOptionsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"ports 80 65536 http":           "2:3: ports: 65536 is no port: write a number from 0 to 65535\n2:4: ports: http is no port: write a number from 0 to 65535",
		"networks 2001:db8::/32 fd00::": "1:1: networks without an IPv4 range never hold: SOCKS 4 knows no other addresses",
		"networks 10.0.0.0/33":          "2:2: must be an address or a CIDR range like 10.0.0.0/8",
	} {
		_, err := socks4.New(node(lines))
		if err == nil {
			t.Errorf("%s: no error", lines)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lines, diff)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	for _, m := range forms(t) {
		matchtest.Allocs(t, m, matchtest.TCP(), samples(t)...)
	}
}

func FuzzSOCKS4(f *testing.F) { matchtest.Fuzz(f, samples(f), forms(f)...) }

func BenchmarkARequestWithAName(b *testing.B) { benchmark(b, matcher(b)) }
func BenchmarkAPort(b *testing.B)             { benchmark(b, matcher(b, "ports 80")) }

func benchmark(b *testing.B, m sdk.Matcher) {
	f, head := matchtest.TCP(), flighttest.Own(b, "socks4")["curl-socks4a"]
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(head)
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
