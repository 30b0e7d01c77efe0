package rdp_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/internal/flighttest"
	"dwaar.dev/dwaar/builtin/rdp"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func node(lines ...string) *sdk.Node {
	n := &sdk.Node{Name: "rdp", Pos: sdk.Pos{Line: 1, Col: 1}}
	for i, line := range lines {
		name, rest, _ := strings.Cut(line, " ")
		o := sdk.Node{Name: name, Pos: sdk.Pos{Line: i + 2, Col: 1}}
		for j, text := range strings.Split(rest, " ") {
			o.Args = append(o.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: i + 2, Col: j + 2}})
		}
		n.Block = append(n.Block, o)
	}
	return n
}

func matcher(t testing.TB, lines ...string) sdk.Matcher {
	t.Helper()
	m, err := rdp.New(node(lines...))
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

// request is a connection request with these bytes behind its headers.
func request(rest string) string {
	size := 11 + len(rest)
	return "\x03\x00" + string([]byte{byte(size >> 8), byte(size), byte(size - 5)}) + "\xe0\x00\x00\x00\x00\x00" + rest
}

// The two structures behind the line.
const (
	negotiation = "\x01\x00\x08\x00\x03\x00\x00\x00"
	correlation = "\x01\x08\x08\x00\x03\x00\x00\x00" + "\x06\x00\x24\x00" + "0123456789abcdef" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

func forms(t testing.TB) []sdk.Matcher {
	t.Helper()
	return []sdk.Matcher{
		matcher(t),
		matcher(t, "cookie_hash ALICE"),
		matcher(t, "cookie_hash *.alice"),
		matcher(t, "cookie_hash_regexp ^[a-z.]+$"),
		matcher(t, "cookie_ip 172.16.0.0/12 10.0.0.0/8"),
		matcher(t, "cookie_port 3389"),
		matcher(t, "cookie_ip 10.0.0.0/8", "cookie_port 3389 3390", "cookie_ip 172.31.249.216"),
		matcher(t, "custom_info tsv://MS"),
		matcher(t, "custom_info_regexp ^tsv://"),
	}
}

// oddities are requests that no captured client sends.
func oddities() []string {
	return []string{
		request(""),
		request(negotiation),
		request("Cookie: mstshash=*.Alice\r\n" + correlation),
		request("Cookie: mstshash=\r\n"),
		request("Cookie: msts=16777226.15629.0000\r\n"),
		request("Cookie: msts=here.15629.0000\r\n" + negotiation),
		request("tsv://MS\r\n"),
		request("\r\n"),
		request(strings.Repeat("x", 246) + "\r\n"),
	}
}

func samples(t testing.TB) [][]byte {
	t.Helper()
	own := flighttest.Own(t, "rdp")
	heads := [][]byte{nil, []byte("GET / HTTP/1.1\r\n"), []byte(request(negotiation) + "behind")}
	for _, head := range oddities() {
		heads = append(heads, []byte(head))
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		heads = append(heads, own[name])
	}
	return heads
}

func TestRealClientsAreRecognizedWithTheirFacts(t *testing.T) {
	t.Parallel()
	const (
		alice  = `yes cookie_hash="alice"`
		server = `yes cookie_ip="172.31.249.216" cookie_port="3389"`
		desks  = `yes custom_info="tsv://MS Terminal Services Plugin.1.Desktops"`
	)
	type answers struct{ Bare, Alice, Letters, Network, Port, Both, Info string }
	named := func(bare, alice, letters string) answers {
		return answers{bare, alice, letters, "no", "no", "no", "no"}
	}
	want := map[string]answers{
		"freerdp":                  named(alice, alice, alice),
		"freerdp-domain":           named(alice, alice, alice),
		"freerdp-no-user":          named(`yes cookie_hash="root"`, "no", `yes cookie_hash="root"`),
		"freerdp-rdp":              named(`yes cookie_hash="Administrator"`, "no", "no"),
		"freerdp-tls":              named(alice, alice, alice),
		"freerdp-restricted-admin": named(alice, alice, alice),
		"rdesktop":                 named(alice, alice, alice),
		"rdesktop-long-user":       named(`yes cookie_hash="alice.of.the.sales.department"`, "no", `yes cookie_hash="alice.of.the.sales.department"`),
		"freerdp-token":            {server, "no", "no", server, server, server, "no"},
		"freerdp-custom":           {desks, "no", "no", "no", "no", "no", desks},
	}
	got := map[string]answers{}
	ms := forms(t)
	for name, head := range flighttest.Own(t, "rdp") {
		of := func(i int) string { return ask(ms[i], string(head)) }
		got[name] = answers{of(0), of(1), of(3), of(4), of(5), of(6), of(8)}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to captured flights (-want +got):\n%s", diff)
	}
}

func TestLinesAreOfThreeKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ option, line, want string }{
		{"cookie_hash alice", "Cookie: mstshash=ALICE", `yes cookie_hash="ALICE"`},
		{"cookie_hash Alice", "Cookie: mstshash=alice", `yes cookie_hash="alice"`},
		{`cookie_hash EXAMPLE\al`, `Cookie: mstshash=example\al`, `yes cookie_hash="example\\al"`},
		{"cookie_hash *.alice", "Cookie: mstshash=*.ALICE", `yes cookie_hash="*.ALICE"`},
		{"cookie_hash *.alice", "Cookie: mstshash=x.alice", "no"},
		{"cookie_hash alice", "Cookie: msts=1.1.0000", "no"},
		{"cookie_hash alice", "alice", "no"},
		{"cookie_hash_regexp ^$", "Cookie: mstshash=", `yes cookie_hash=""`},
		{"cookie_ip 10.0.0.1", "Cookie: msts=16777226.15629.0000", `yes cookie_ip="10.0.0.1" cookie_port="3389"`},
		{"cookie_ip 255.255.255.255", "Cookie: msts=4294967295.65535.0000", `yes cookie_ip="255.255.255.255" cookie_port="65535"`},
		{"cookie_ip 0.0.0.0/0", "Cookie: msts=0.0.0000", `yes cookie_ip="0.0.0.0" cookie_port="0"`},
		{"cookie_port 80", "Cookie: msts=16777226.15629.0000", "no"},
		{"cookie_ip 10.0.0.2", "Cookie: msts=16777226.15629.0000", "no"},
		{"cookie_ip 0.0.0.0/0", "Cookie: msts=4294967296.15629.0000", "unknown"},
		{"cookie_port 3389", "Cookie: msts=16777226.65536.0000", "unknown"},
		{"cookie_port 3389", "Cookie: msts=16777226.15629.1", "unknown"},
		{"cookie_port 3389", "Cookie: msts=.15629.0000", "unknown"},
		{"cookie_port 3389", "Cookie: msts=1x.15629.0000", "unknown"},
		{"cookie_port 3389", "Cookie: mstshash=msts=1.1.0000", "no"},
		{"cookie_ip 0.0.0.0/0", "10.0.0.1", "no"},
		{"custom_info alice", "alice", `yes custom_info="alice"`},
		{"custom_info Alice", "alice", "no"},
		{"custom_info alice", "Cookie: mstshash=alice", "no"},
		{"custom_info_regexp ^Cookie", "Cookie: msts=server.3389", `yes custom_info="Cookie: msts=server.3389"`},
		{"custom_info_regexp ^Cookie", "Cookie: msts=16777226.15629.0000", "no"},
		{"custom_info_regexp ü", "für\talle", "yes custom_info=\"für\\talle\""},
	} {
		for _, rest := range []string{"", negotiation, correlation} {
			if got := ask(matcher(t, c.option), request(c.line+"\r\n"+rest)); got != c.want {
				t.Errorf("%s on %q and %d bytes: %s, want %s", c.option, c.line, len(rest), got, c.want)
			}
		}
	}
	for _, option := range []string{"cookie_hash alice", "cookie_hash_regexp .", "cookie_ip 0.0.0.0/0", "cookie_port 3389", "custom_info x", "custom_info_regexp ."} {
		for _, head := range []string{request(""), request(negotiation), request(correlation)} {
			if got := ask(matcher(t, option), head); got != "no" {
				t.Errorf("%s without a line: %s", option, got)
			}
		}
	}
}

// TestRequestsAreJudgedAtTheFirstImpossibleByte has a bar before the byte that decides.
func TestRequestsAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	bar := func(head string, n int) string { return head[:n] + "|" + head[n:] }
	last := func(head string) string { return bar(head, len(head)-1) }
	for _, c := range []struct {
		what, head string
		want       sdk.Verdict
	}{
		{"no line and no negotiation", last(request("")), sdk.Yes},
		{"a negotiation", last(request(negotiation)), sdk.Yes},
		{"correlation", last(request(correlation)), sdk.Yes},
		{"a line alone", last(request("x\r\n")), sdk.Yes},
		{"the longest request", last(request(strings.Repeat("x", 246) + "\r\n")), sdk.Yes},
		{"a reference of the client's own", "\x03\x00\x00\x0b\x06\xe0\x00\x00\x12\x34|\x00", sdk.Yes},
		{"TLS", "|\x16\x03\x01", sdk.No},
		{"another version of TPKT", "|\x04\x00\x00\x0b", sdk.No},
		{"what is reserved", "\x03|\x01\x00\x0b", sdk.No},
		{"a length of 512", "\x03\x00|\x02\x00", sdk.No},
		{"a length of 260", "\x03\x00\x01|\x04\xff", sdk.No},
		{"a length of 10", "\x03\x00\x00|\x0a\x05", sdk.No},
		{"two lengths that differ", "\x03\x00\x00\x0b|\x07\xe0", sdk.No},
		{"a disconnect request", "\x03\x00\x00\x0b\x06|\x80", sdk.No},
		{"a credit", "\x03\x00\x00\x0b\x06|\xe1", sdk.No},
		{"a destination's reference", "\x03\x00\x00\x0b\x06\xe0\x00|\x01", sdk.No},
		{"class 4", "\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x00|\x40", sdk.No},
		{"S7 (RFC 1006 with TSAPs)", "\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00\xc1|\x02\x01\x00\xc2\x02\x01\x02\xc0\x01\x09", sdk.No},
		{"a control character", bar(request("a\x00\r\n"), 12), sdk.No},
		{"CR without LF", bar(request("a\rb\r\n"), 13), sdk.No},
		{"a line without an end", last(request("abc")), sdk.No},
		{"a line that ends in CR", last(request("abc\r")), sdk.No},
		{"another structure", bar(request("a\r\n\x02\x00\x08\x00\x03\x00\x00\x00"), 14), sdk.No},
		{"a second line", bar(request("a\r\nb\r\n"), 14), sdk.No},
		{"a negotiation cut short", bar(request(negotiation[:7]), 11), sdk.No},
		{"a byte behind the negotiation", bar(request(negotiation+"x"), 11), sdk.No},
		{"a negotiation of another length", bar(request("\x01\x00\x09\x00\x03\x00\x00\x00"), 13), sdk.No},
		{"correlation that is not there", bar(request("\x01\x08\x08\x00\x03\x00\x00\x00"), 12), sdk.No},
		{"correlation that nobody announced", bar(request("\x01\x00"+correlation[2:]), 12), sdk.No},
		{"another type of correlation", bar(request(correlation[:8]+"\x07"+correlation[9:]), 19), sdk.No},
		{"another length of correlation", bar(request(correlation[:10]+"\x25"+correlation[11:]), 21), sdk.No},
	} {
		before, after, _ := strings.Cut(c.head, "|")
		head, m := before+after, matcher(t)
		for n := range len(head) + 1 {
			f := matchtest.TCP()
			f.Head = []byte(head[:n])
			v := matchtest.Ask(m, &f).Answer.Verdict
			if n <= len(before) && v.Decided() || n > len(before) && v != c.want {
				t.Errorf("%s: %q: %v", c.what, f.Head, v)
			}
		}
	}
}

// TestAChangedByteInAFixedFieldIsNo changes every byte whose value the protocol
// prescribes: the headers without the client's reference, the end of the line, the type
// and the length of the negotiation.
func TestAChangedByteInAFixedFieldIsNo(t *testing.T) {
	t.Parallel()
	m := matcher(t)
	for name, head := range flighttest.Own(t, "rdp") {
		fixed := []int{0, 1, 2, 3, 4, 5, 6, 7, 10}
		line := strings.Index(string(head), "\r\n")
		fixed = append(fixed, line, line+1)
		if behind := line + 2; behind < len(head) {
			fixed = append(fixed, behind, behind+2, behind+3)
		}
		for _, at := range fixed {
			for b := range 256 {
				changed := slices.Clone(head)
				changed[at] = byte(b)
				if got := ask(m, string(changed)); b != int(head[at]) && got != "no" {
					t.Errorf("%s with %#02x at %d: %s", name, b, at, got)
				}
			}
		}
	}
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	for _, m := range forms(t) {
		for name, head := range flighttest.Foreign(t, "rdp") {
			if got := ask(m, string(head)); got != "no" {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	ms, own := forms(t), flighttest.Own(t, "rdp")
	matchtest.Laws(t, ms[0], matchtest.TCP(), samples(t)...)
	for _, m := range ms[1:] {
		matchtest.Laws(t, m, matchtest.TCP(), own["freerdp"], own["freerdp-token"], own["freerdp-custom"], []byte(oddities()[5]))
	}
}

func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	own := flighttest.Own(t, "rdp")
	heads := [][]byte{
		own["freerdp"], append(own["rdesktop"], "behind"...), own["freerdp-token"],
		[]byte(request("Cookie: mstshash=ALICE\r\n" + correlation)), []byte("GET / HTTP/1.1\r\n"),
	}
	for _, mutant := range matchtest.Mutants() {
		switch mutant.Fault {
		case "it reads the clock": // Check does not look for that
			continue
		case "it takes *. for any number of labels": // that is for names of hosts
			continue
		}
		if matchtest.Check(mutant.Plant(matcher(t, "cookie_hash alice")), matchtest.TCP(), heads...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

func TestAUserIsAKey(t *testing.T) {
	t.Parallel()
	by, names := matcher(t, "cookie_hash Alice").(sdk.Keyed).Keys()
	other, _ := matcher(t, "cookie_hash bob").(sdk.Keyed).Keys()
	if diff := cmp.Diff([]string{"alice"}, names); diff != "" || by != other {
		t.Errorf("selectors %v and %v, names (-want +got):\n%s", by, other, diff)
	}
	if _, keyed := matcher(t, "cookie_hash *.alice").(sdk.Keyed); keyed {
		t.Error("*.alice is a key: it would stand for x.alice")
	}
}

func TestWrongOptionsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"cookie_hash ":                         "2:2: cookie_hash has no value: write one, or cookie_hash_regexp . for any",
		"cookie_hash {vars.user}":              `2:2: "{vars.user}" has a placeholder: write the value itself, or compare with vars {rdp.cookie_hash}`,
		"custom_info a{env.X}":                 `2:2: "a{env.X}" has a placeholder: write the value itself, or compare with vars {rdp.custom_info}`,
		"custom_info_regexp (":                 "2:2: missing closing ): `(`",
		"cookie_port 65536":                    "2:2: cookie_port: 65536 is no port: write a number from 0 to 65535",
		"cookie_hash a;cookie_ip 10.0.0.1":     "3:1: cookie_hash and cookie_ip never hold together, a request has one of them at most: write two matchers",
		"cookie_port 1;custom_info_regexp a":   "3:1: cookie_port and custom_info_regexp never hold together, a request has one of them at most: write two matchers",
		"cookie_hash a;cookie_hash_regexp a":   "3:1: cookie_hash and cookie_hash_regexp say the same thing twice: leave one out",
		"custom_info_regexp a;custom_info abc": "3:1: custom_info_regexp and custom_info say the same thing twice: leave one out",
	} {
		_, err := rdp.New(node(strings.Split(lines, ";")...))
		if err == nil {
			t.Errorf("%s: no error", lines)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lines, diff)
		}
	}
}

func FuzzRDP(f *testing.F) { matchtest.Fuzz(f, samples(f), forms(f)...) }

func BenchmarkAUser(b *testing.B) {
	m, f, head := matcher(b, "cookie_hash alice"), matchtest.TCP(), flighttest.Own(b, "rdp")["freerdp"]
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(head)
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
