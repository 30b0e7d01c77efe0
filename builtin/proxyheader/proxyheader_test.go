package proxyheader_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin/proxyheader"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// flights returns the captures by name.
func flights(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/flights/proxy_protocol/*.bin")
	if err != nil || len(paths) < 12 {
		t.Fatalf("%d captures, error %v", len(paths), err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = b
	}
	return all
}

func heads(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, b := range flights(t) {
		all = append(all, b)
	}
	return all
}

func ask(f sdk.Flow, head string) sdk.Verdict {
	f.Head = []byte(head)
	if f.Network == "udp" {
		f.Bounds = []int{len(head)}
	}
	return matchtest.Ask(proxyheader.Matcher{}, &f).Answer.Verdict
}

// size is where the header of a capture ends: before what the client said.
func size(t *testing.T, b []byte) int {
	t.Helper()
	if b[0] == 'P' {
		return bytes.IndexByte(b, '\n') + 1
	}
	return 16
}

// TestRealHeadersAreRecognised cuts every capture at every byte.
func TestRealHeadersAreRecognised(t *testing.T) {
	t.Parallel()
	for name, b := range flights(t) {
		decides := size(t, b)
		for n := range len(b) + 1 {
			got := ask(matchtest.TCP(), string(b[:n]))
			switch {
			case n >= decides && got != sdk.Yes:
				t.Errorf("%s, %d bytes: %v", name, n, got)
			case n < decides && (got.NeedBytes() <= n || got.NeedBytes() > decides):
				t.Errorf("%s, %d bytes: %v, it ends at %d", name, n, got, decides)
			}
		}
		if got := ask(matchtest.UDP(), string(b)); got != sdk.Yes {
			t.Errorf("%s as a datagram: %v", name, got)
		}
		for n := range decides {
			if got := ask(matchtest.UDP(), string(b[:n])); got != sdk.No {
				t.Errorf("the first %d bytes of %s as a datagram: %v", n, name, got)
			}
		}
	}
}

// TestOneWrongByteInAFixedFieldIsNo changes the bytes that are the same in every header.
func TestOneWrongByteInAFixedFieldIsNo(t *testing.T) {
	t.Parallel()
	for name, b := range flights(t) {
		fixed := 13 // the signature, version and command
		if b[0] == 'P' {
			fixed = len("PROXY TCP4 ")
		}
		for i := range fixed {
			for _, bit := range []byte{1, 0x10, 0x80} {
				wrong := bytes.Clone(b)
				wrong[i] ^= bit
				switch got := ask(matchtest.TCP(), string(wrong)); {
				case i == 12 && bit == 1: // LOCAL and PROXY differ in it
				case strings.Contains(name, "unknown") && i >= len("PROXY UNKNOW"): // and anything
				case got != sdk.No:
					t.Errorf("%s, byte %d is %#x: %v", name, i, wrong[i], got)
				}
			}
		}
	}
}

const sig = "\r\n\r\n\x00\r\nQUIT\n"

// TestHeadersAreJudgedAtTheFirstImpossibleByte has a bar before the byte that decides.
func TestHeadersAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header string
		want   sdk.Verdict
	}{
		{"PROXY TCP6 ::ffff:192.0.2.1 2001:DB8::1 0 65535\r|\n", sdk.Yes},
		{"PROXY UNKNOWN\r|\n", sdk.Yes},
		{"PROXY UNKNOWN ff a\rb \x01\r|\n", sdk.Yes},
		{"PROXY UNKNOWN" + strings.Repeat("x", 92) + "\r|\n", sdk.Yes},
		{"PROXY UNKNOWN" + strings.Repeat("x", 92) + "\r|x\n", sdk.No},
		{"PROXY UNKNOWN" + strings.Repeat("x", 93) + "|\r\n", sdk.No},
		{"P|OST / HTTP/1.1\r\n", sdk.No},
		{"PROXY|_", sdk.No},
		{"PROXY |/x", sdk.No},
		{"PROXY TCP|5 ", sdk.No},
		{"PROXY TCP4|6 ", sdk.No},
		{"PROXY TCP4 |\r\n", sdk.No},
		{"PROXY TCP4 | 192.0.2.1", sdk.No},
		{"PROXY TCP4 |localhost", sdk.No},
		{"PROXY TCP4 192.0.2.1|\t", sdk.No},
		{"PROXY TCP4 192.0.2.1 192.0.2.2|\r\n", sdk.No},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 |-1 2\r\n", sdk.No},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 |\r\n", sdk.No},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2|\n", sdk.No},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r|\r\n", sdk.No},
		{"PROXY TCP4 " + strings.Repeat("1", 95) + "|1", sdk.No},
		{"PROXY TCP6 fe80::1|%eth0 ::1 1 2\r\n", sdk.Unknown},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2| \r\n", sdk.Unknown},

		{sig + "\x20\x00\x00|\x00", sdk.Yes},
		{sig + "\x20\xff\xff|\xff", sdk.Yes},
		{sig + "\x21\x00\x00|\x00", sdk.Yes},
		{sig + "\x21\x11\x00|\x0c", sdk.Yes},
		{sig + "\x21\x11\x00|\x0b", sdk.No},
		{sig + "\x21\x21\x00|\x24", sdk.Yes},
		{sig + "\x21\x21\x00|\x23", sdk.No},
		{sig + "\x21\x12\x00|\x0c", sdk.Yes},
		{sig + "\x21\x12\x00|\x0b", sdk.Unknown},
		{sig + "\x21\x22\x00|\x24", sdk.Yes},
		{sig + "\x21\x31\x00|\xd8", sdk.Yes},
		{sig + "\x21\x32\x00|\xd7", sdk.Unknown},
		{sig + "\x21\x13\x00|\x0c", sdk.Unknown},
		{sig + "\x22\x11\x00|\x0c", sdk.Unknown},
		{sig + "|\x11\x11\x00\x0c", sdk.No},
		{sig + "|\x31\x11\x00\x0c", sdk.No},
		{sig[:11] + "|\r", sdk.No},
		{"\r\n|GET / HTTP/1.1\r\n", sdk.No},
	} {
		before, after, _ := strings.Cut(test.header, "|")
		whole := before + after
		for n := range len(whole) + 1 {
			got := ask(matchtest.TCP(), whole[:n])
			if n <= len(before) && (got.Decided() || got.NeedBytes() > len(before)+1) || n > len(before) && got != test.want {
				t.Errorf("%q: %v, want %v at %d bytes", whole[:n], got, test.want, len(before)+1)
			}
		}
	}
}

func TestADatagramHasTheWholeHeaderInIt(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]sdk.Verdict{
		"": sdk.No,
		sig + "\x21\x12\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x35\x00\x35":         sdk.Yes,
		sig + "\x21\x12\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x35\x00\x35and more": sdk.Yes,
		sig + "\x21\x12\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x35\x00":             sdk.No,
		sig + "\x22\x12\x00\x0c":             sdk.Unknown,
		"PROXY UNKNOWN\r\n":                  sdk.Yes,
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2": sdk.No,
	} {
		if got := ask(matchtest.UDP(), header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
	f := matchtest.UDP()
	if got := matchtest.Ask(proxyheader.Matcher{}, &f).Answer.Verdict; got != sdk.Need(1) {
		t.Errorf("before any datagram: %v", got)
	}
}

func TestTheMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	m, err := proxyheader.New(&sdk.Node{Name: "proxy_protocol"})
	if err != nil {
		t.Fatal(err)
	}
	all := append(heads(t), []byte("GET / HTTP/1.1\r\n"), []byte("PROXY TCP4 "+strings.Repeat("1", 200)), []byte(sig+"\x22\x00\x00\x00"))
	matchtest.Laws(t, m, matchtest.TCP(), all...)
	matchtest.Laws(t, m, matchtest.UDP(), all...)
	matchtest.Datagrams(t, m, matchtest.UDP(), [][]byte{all[0], all[1]}, [][]byte{{}, all[0]})
}

// TestPlantedFaultsAreFound plants every fault but those of keys, which this matcher has
// not, and that of the clock, which Check does not look for.
func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	without := []string{
		"it reads the clock", "it gives another list of names", "it takes *. for any number of labels",
		"its key is not lower case", "its selector cannot be compared", "it gives another pattern",
	}
	for _, mutant := range matchtest.Mutants() {
		if slices.Contains(without, mutant.Fault) {
			continue
		}
		if matchtest.Check(mutant.Plant(proxyheader.Matcher{}), matchtest.TCP(), heads(t)...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

func TestAskingAllocatesNothing(t *testing.T) {
	matchtest.Allocs(t, proxyheader.Matcher{}, matchtest.TCP(), heads(t)...)
	matchtest.Allocs(t, proxyheader.Matcher{}, matchtest.UDP(), heads(t)...)
}

func FuzzProxyHeader(f *testing.F) {
	matchtest.Fuzz(f, heads(f), proxyheader.Matcher{})
}

func FuzzProxyHeaderDatagrams(f *testing.F) {
	var sessions [][][]byte
	for _, b := range heads(f) {
		sessions = append(sessions, [][]byte{b})
	}
	matchtest.FuzzDatagrams(f, sessions, proxyheader.Matcher{})
}

func BenchmarkMatch(b *testing.B) {
	f := matchtest.TCP()
	f.Head = flights(b)["haproxy-v1-tcp4.bin"]
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := (proxyheader.Matcher{}).Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
