package dns_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	miekg "github.com/miekg/dns"

	"dwaar.dev/dwaar/builtin/dns"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// flights returns the captures by name: udp-*.bin are datagrams, tcp-*.bin streams.
func flights(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/flights/dns/*.bin")
	if err != nil || len(paths) < 22 {
		t.Fatalf("%d captures, error %v", len(paths), err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".bin")] = b
	}
	return all
}

// heads returns the captures of one network.
func heads(t testing.TB, network string) [][]byte {
	t.Helper()
	var all [][]byte
	for name, b := range flights(t) {
		if strings.HasPrefix(name, network) {
			all = append(all, b)
		}
	}
	return all
}

// matcher makes a matcher of lines like "allow example.com MX".
func matcher(t testing.TB, lines ...string) sdk.Matcher {
	t.Helper()
	m, err := dns.New(node(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func node(lines ...string) *sdk.Node {
	n := &sdk.Node{Name: "dns", Pos: sdk.Pos{Line: 1, Col: 1}}
	for i, line := range lines {
		words := strings.Fields(line)
		o := sdk.Node{Name: words[0], Pos: sdk.Pos{Line: i + 2, Col: 1}}
		for j, w := range words[1:] {
			o.Args = append(o.Args, sdk.Word{Text: w, Pos: sdk.Pos{Line: i + 2, Col: j + 2}})
		}
		n.Block = append(n.Block, o)
	}
	return n
}

// flow returns the flow that a capture arrives in.
func flow(name string, b []byte) *sdk.Flow {
	f := matchtest.TCP()
	if strings.HasPrefix(name, "udp") {
		f = matchtest.UDP()
		f.Bounds = []int{len(b)}
	}
	f.Head = b
	return &f
}

func ask(m sdk.Matcher, name string, b []byte) matchtest.Result {
	return matchtest.Ask(m, flow(name, b))
}

// golden is what the captures ask.
var golden = map[string][2]string{
	"tcp-dig": {"www.example.com", "A"}, "tcp-dig-axfr": {"example.com", "AXFR"}, "tcp-dig-keepopen": {"a.example.com", "A"},
	"tcp-kdig": {"www.example.com", "A"}, "tcp-kdig-edns": {"mail.example.com", "MX"}, "tcp-kdig-ixfr": {"example.com", "IXFR"},
	"tcp-nsupdate": {"example.com", "SOA"},
	"udp-dig":      {"www.example.com", "A"}, "udp-dig-noedns": {"www.example.com", "HTTPS"}, "udp-dig-no-question": {},
	"udp-dig-tsig": {"www.example.com", "SOA"}, "udp-kdig": {"www.example.com", "A"}, "udp-kdig-chaos": {"version.bind", "TXT"},
	"udp-kdig-cookie": {"example.com", "MX"}, "udp-kdig-edns": {"www.example.com", "AAAA"},
	"udp-kdig-escapes": {`a\046b\032c\255.example.com`, "A"}, "udp-kdig-notify": {"example.com", "SOA"},
	"udp-kdig-padding": {"_dmarc.example.com", "TXT"}, "udp-kdig-root": {".", "NS"}, "udp-kdig-type": {"example.com", "TYPE65280"},
	"udp-kdig-reverse": {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR"}, "udp-nsupdate": {"example.com", "SOA"},
}

func result(asked [2]string) matchtest.Result {
	r := matchtest.Result{Answer: sdk.Answer{Verdict: sdk.Yes}}
	if asked[0] != "" {
		r.Facts = map[string]string{"name": asked[0], "type": asked[1]}
	}
	return r
}

func TestRealClientsAreRecognised(t *testing.T) {
	t.Parallel()
	all := flights(t)
	for name, b := range all {
		want, ok := golden[name]
		if !ok {
			t.Errorf("%s: nobody says what it asks", name)
		}
		if diff := cmp.Diff(result(want), ask(matcher(t), name, b)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name := range golden {
		if all[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestCutsDecideTheSame cuts every capture at every byte: a datagram that is cut before
// the end of its question is no query, a stream waits for it.
func TestCutsDecideTheSame(t *testing.T) {
	t.Parallel()
	for name, b := range flights(t) {
		whole := ask(matcher(t), name, b)
		decided := false
		for n := range len(b) {
			got := ask(matcher(t), name, b[:n])
			v := got.Answer.Verdict
			switch {
			case strings.HasPrefix(name, "udp"):
				if v == sdk.Yes && cmp.Diff(whole, got) != "" || !v.Decided() {
					t.Errorf("%s, %d bytes: %v", name, n, got)
				}
			case v.Decided():
				decided = true
				if diff := cmp.Diff(whole, got); diff != "" {
					t.Errorf("%s, %d bytes (-whole +cut):\n%s", name, n, diff)
				}
			case decided || v.NeedBytes() <= n:
				t.Errorf("%s, %d bytes: %v", name, n, got)
			}
		}
	}
}

// TestOneWrongByteInAFixedFieldIsNo turns bits that no query has, and makes labels and
// counts what they cannot be.
func TestOneWrongByteInAFixedFieldIsNo(t *testing.T) {
	t.Parallel()
	for name, b := range flights(t) {
		start := 0
		if strings.HasPrefix(name, "tcp") {
			start = 2
		}
		wrong := map[string][2]byte{ // where, and what is added to the byte there
			"a response":     {2, 0x80},
			"STATUS":         {2, 0x10},
			"opcode 14":      {2, 0x40},
			"256 questions":  {4, 1},
			"more questions": {5, 2},
		}
		if golden[name][0] != "" {
			wrong["a label of 64 bytes"] = [2]byte{12, 0x40 - b[start+12]}
			wrong["a label of 0x80"] = [2]byte{12, 0x80 - b[start+12]}
			wrong["no question"] = [2]byte{5, 0xff}
		}
		for what, change := range wrong {
			changed := bytes.Clone(b)
			changed[start+int(change[0])] += change[1]
			if changed[start+2] == b[start+2]+0x10 && b[start+2]&0x20 != 0 {
				changed[start+2] = 0x30 // NOTIFY and UPDATE have other bits
			}
			got := ask(matcher(t), name, changed).Answer.Verdict
			if got != sdk.No {
				t.Errorf("%s as %s: %v", name, what, got)
			}
		}
	}
}

// message makes a message of its parts, which are escaped as in Go.
func message(header string, rest ...string) []byte {
	return []byte("\x12\x34" + header + strings.Join(rest, ""))
}

const (
	plain = "\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	one   = "\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" // one additional record
	www   = "\x03www\x07EXAMPLE\x03com\x00\x00\x01\x00\x01"
	opt   = "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
)

func framed(m []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...) }

func TestOddMessagesAreJudgedAsServersDo(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x3f"+strings.Repeat("x", 63), 3)
	for _, test := range []struct {
		what string
		b    []byte
		want sdk.Verdict
	}{
		{"a query", message(plain, www), sdk.Yes},
		{"bytes behind the message", message(plain, www, "\xff\xff"), sdk.Yes},
		{"bytes behind the last record", message(one, www, opt, "\xff"), sdk.Yes},
		{"every flag that a query may have", message("\x07\x7f"+plain[2:], www), sdk.Yes},
		{"a record that is missing", message(one, www), sdk.Unknown},
		{"a record that is cut", message(one, www, opt[:10]), sdk.Unknown},
		{"thousands of records", message("\x01\x00\x00\x01\xff\xff\xff\xff\xff\xff", www, opt), sdk.Unknown},
		{"a name that points to the header", message(plain, "\x03www\xc0\x04\x00\x01\x00\x01"), sdk.Unknown},
		{"a name that points to itself", message(plain, "\xc0\x0c\x00\x01\x00\x01\x00"), sdk.Unknown},
		{"a name of 255 bytes", message(plain, long, "\x3d", strings.Repeat("y", 61), "\x00\x00\x01\x00\x01"), sdk.Yes},
		{"a name of 256 bytes", message(plain, long, "\x3e", strings.Repeat("y", 62), "\x00\x00\x01\x00\x01"), sdk.No},
		{"a name without an end", message(plain, "\x03www\x07EXAMPLE"), sdk.No},
		{"a label that ends behind the message", message(plain, "\x3fwww\x00\x00\x01\x00\x01"), sdk.No},
		{"a type that is cut", message(plain, www[:len(www)-1]), sdk.No},
		{"a header alone", message(plain), sdk.No},
		{"half a header", message(plain[:5]), sdk.No},
		{"nothing", nil, sdk.No},
		{"no question and no record", message("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00"), sdk.No},
		{"no question and a cookie", message("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01", opt), sdk.Yes},
		{"no question and a record of another type", message("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x01", opt[3:]), sdk.No},
		{"no question and half a record", message("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01", opt[:10]), sdk.No},
		{"a NOTIFY without a question", message("\x21\x00\x00\x00\x00\x00\x00\x00\x00\x01", opt), sdk.No},
	} {
		if got := ask(matcher(t), "udp", test.b).Answer.Verdict; got != test.want {
			t.Errorf("%s, as a datagram: %v, want %v", test.what, got, test.want)
		}
		if got := ask(matcher(t), "tcp", framed(test.b)).Answer.Verdict; got != test.want {
			t.Errorf("%s, on a stream: %v, want %v", test.what, got, test.want)
		}
	}
	f := matchtest.UDP()
	if got := matchtest.Ask(matcher(t), &f).Answer.Verdict; got != sdk.Need(1) {
		t.Errorf("before any datagram: %v", got)
	}
}

func TestOtherProtocolsAreRefusedEarly(t *testing.T) {
	t.Parallel()
	for start, decides := range map[string]int{
		"GET / HTTP/1.1\r\n":                           7,
		"SSH-2.0-OpenSSH_9.2\r\n":                      5,
		"\x00\x00\x00\x08\x04\xd2":                     2,  // PostgreSQL's SSLRequest
		"\x05\x01\x00":                                 13, // SOCKS5 says no more
		"*1\r\n$4\r\nPING\r\n":                         7,
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 13,
	} {
		for n := range len(start) + 1 {
			got := ask(matcher(t), "tcp", []byte(start[:n])).Answer.Verdict
			if n < decides && got.Decided() || n >= decides && got != sdk.No {
				t.Errorf("%q: %v", start[:n], got)
			}
		}
	}
}

func TestRulesDecideAsInCaddyL4(t *testing.T) {
	t.Parallel()
	query := func(name, kind, class string) []byte {
		m := new(miekg.Msg)
		m.Question = []miekg.Question{{Name: name, Qtype: miekg.StringToType[kind], Qclass: miekg.StringToClass[class]}}
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const yes, no = sdk.Yes, sdk.No
	for _, test := range []struct {
		rules             string
		name, kind, class string
		want              sdk.Verdict
	}{
		{"allow example.com", "example.com.", "A", "IN", yes},
		{"allow Example.com.", "EXAMPLE.COM.", "A", "IN", yes},
		{"allow example.com", "www.example.com.", "A", "IN", no},
		{"allow example.com NS", "example.com.", "NS", "CH", yes},
		{"allow example.com ns", "example.com.", "A", "IN", no},
		{"allow example.com TYPE2", "example.com.", "NS", "IN", yes},
		{"allow example.com * CH", "example.com.", "TXT", "CH", yes},
		{"allow example.com * class3", "example.com.", "TXT", "IN", no},
		{"allow * MX; allow * NS", "x.", "NS", "IN", yes},
		{"allow * MX; allow * NS", "x.", "A", "IN", no},
		{"allow *", ".", "A", "IN", yes},
		{"allow .", ".", "A", "IN", yes},
		{"allow .", "com.", "A", "IN", no},
		{"allow *.example.com", "www.example.com.", "A", "IN", yes},
		{"allow *.example.com", "example.com.", "A", "IN", no},
		{"allow *.example.com", "a.b.example.com.", "A", "IN", no},
		{"allow *.example.com", `a\.b.example.com.`, "A", "IN", yes},
		{"allow *.example.com", "*.example.com.", "A", "IN", yes},
		{`allow a\.b.example.com`, `a\.b.example.com.`, "A", "IN", yes},
		{`allow a\046b.example.com`, "a.b.example.com.", "A", "IN", no},
		{"deny * MX IN", "example.com.", "MX", "IN", no},
		{"deny * MX IN", "example.com.", "MX", "CH", yes},
		{"deny example.com", "example.org.", "A", "IN", yes},
		{"allow example.com NS; deny * * IN; prefer_allow", "example.com.", "NS", "IN", yes},
		{"allow example.com NS; deny * * IN; prefer_allow", "example.com.", "A", "IN", no},
		{"allow example.com NS; deny * * IN; prefer_allow", "example.org.", "A", "CH", yes},
		{"allow example.com NS; deny * * IN; prefer_allow; default_deny", "example.org.", "A", "CH", no},
		{"allow example.com NS; deny * * IN", "example.com.", "NS", "IN", no},
		{"allow example.com NS; deny * * IN", "example.com.", "NS", "CH", yes},
		{"allow example.com NS; default_deny", "example.com.", "NS", "CH", yes},
		{"allow example.com NS; default_deny", "example.com.", "A", "CH", no},
		{`allow_regexp ^(|[-0-9a-z]+\.)example\.com\.$; default_deny`, "WWW.example.com.", "A", "IN", yes},
		{`allow_regexp ^(|[-0-9a-z]+\.)example\.com\.$`, "a.b.example.com.", "A", "IN", no},
		{"deny_regexp * ^(MX|NS)$", "example.com.", "NS", "IN", no},
		{"deny_regexp * ^(MX|NS)$", "example.com.", "A", "IN", yes},
		{"allow_regexp * * ^C", "example.com.", "A", "CH", yes},
		{"allow_regexp example * ^C", "example.com.", "A", "IN", no},
	} {
		m := matcher(t, strings.Split(test.rules, "; ")...)
		b := query(test.name, test.kind, test.class)
		got := ask(m, "udp", b).Answer.Verdict
		if got != test.want {
			t.Errorf("%s with %s %s %s: %v", test.rules, test.name, test.kind, test.class, got)
		}
		if stream := ask(m, "tcp", framed(b)).Answer.Verdict; stream != got {
			t.Errorf("%s with %s %s %s: %v on a stream, %v as a datagram", test.rules, test.name, test.kind, test.class, stream, got)
		}
	}
	if got := ask(matcher(t, "allow *"), "udp", flights(t)["udp-dig-no-question"]).Answer.Verdict; got != sdk.Unknown {
		t.Errorf("no question: %v", got)
	}
}

func TestWrongRulesSayWhatToWrite(t *testing.T) {
	t.Parallel()
	lines := []string{
		"allow a..b", "allow " + strings.Repeat("x", 64), "deny " + strings.Repeat("xxxxxxx.", 32), "allow b\u00fccher.de",
		"allow {env.ZONE}", `deny a\25`, `deny a\256`, "allow *.", "allow *..",
		"allow x NSS", "deny x TYPE65536", "deny x A INN", "allow x A CLASS", "allow_regexp ( [ )",
	}
	_, err := dns.New(node(lines...))
	want := strings.Join([]string{
		`2:2: allow: "a..b" is no name of DNS: a label between two dots is empty`,
		`3:2: allow: "` + strings.Repeat("x", 64) + `" is no name of DNS: a label has at most 63 bytes, and a name 255`,
		`4:2: deny: "` + strings.Repeat("xxxxxxx.", 32) + `" is no name of DNS: a label has at most 63 bytes, and a name 255`,
		`5:2: allow: "bücher.de" is no name of DNS: write the xn-- form, or the bytes as \DDD`,
		`6:2: allow: "{env.ZONE}" is no name of DNS: spaces and braces cannot stand in a name: write them as \DDD`,
		`7:2: deny: "a\\25" is no name of DNS: behind \ stand three digits up to 255, or the character itself`,
		`8:2: deny: "a\\256" is no name of DNS: behind \ stand three digits up to 255, or the character itself`,
		`9:2: allow: "*." is no name of DNS: write . for the root`,
		`10:2: allow: "*.." is no name of DNS: write . for the root`,
		`11:3: allow: "NSS" is no type of DNS: write a name like AAAA, a number like TYPE65280, or *`,
		`12:3: deny: "TYPE65536" is no type of DNS: write a name like AAAA, a number like TYPE65280, or *`,
		`13:4: deny: "INN" is no class of DNS: write a name like IN, a number like CLASS7, or *`,
		`14:4: allow: "CLASS" is no class of DNS: write a name like IN, a number like CLASS7, or *`,
		"15:2: error parsing regexp: missing closing ): `(`",
		"15:3: error parsing regexp: missing closing ]: `[`",
		"15:4: error parsing regexp: unexpected ): `)`",
	}, "\n")
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := dns.New(node("deny x", "default_deny")); err == nil || err.Error() != "3:1: default_deny without allow: no query would match; name in allow what may match" {
		t.Errorf("got %v", err)
	}
	for lines, warned := range map[string]bool{"allow x|prefer_allow": true, "deny x|prefer_allow": true, "allow x|deny y|prefer_allow": false} {
		if got := matcher(t, strings.Split(lines, "|")...).(sdk.Warner).Warnings(); (got != nil) != warned {
			t.Errorf("%s: %v", lines, got)
		}
	}
}

// TestTypesAndClassesAreThoseOfAnotherList compares with the tables of miekg/dns, which
// caddy-l4 reads the names by. None and Reserved are names there of numbers that nobody
// asks for.
func TestTypesAndClassesAreThoseOfAnotherList(t *testing.T) {
	t.Parallel()
	for number, name := range miekg.TypeToString {
		if name == "None" || name == "Reserved" {
			continue
		}
		b := binary.BigEndian.AppendUint16([]byte("\x12\x34"+plain+"\x00"), number)
		got := ask(matcher(t, "allow * "+name, fmt.Sprintf("allow * TYPE%d", number)), "udp", append(b, 0, 1))
		if got.Answer.Verdict != sdk.Yes || got.Facts["type"] != name {
			t.Errorf("%s: %v", name, got)
		}
	}
	for number, name := range miekg.ClassToString {
		b := binary.BigEndian.AppendUint16([]byte("\x12\x34"+plain+"\x00\x00\x01"), number)
		if got := ask(matcher(t, "allow * * "+name), "udp", b); got.Answer.Verdict != sdk.Yes {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// matchers are one for every way to decide.
func matchers(t testing.TB) []sdk.Matcher {
	t.Helper()
	return []sdk.Matcher{
		matcher(t),
		matcher(t, "allow www.example.com", "allow *.example.com", "allow version.bind", "allow ."),
		matcher(t, "allow example.com MX", "deny * * CH", "prefer_allow"),
		matcher(t, "allow_regexp example", "deny_regexp * ^TYPE", "default_deny"),
	}
}

func TestTheMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	for _, m := range matchers(t) {
		matchtest.Laws(t, m, matchtest.TCP(), append(heads(t, "tcp"), framed(message(one, www)), []byte("GET / HTTP/1.1\r\n"))...)
		matchtest.Laws(t, m, matchtest.UDP(), append(heads(t, "udp"), message(plain, "\xc0\x0c\x00\x01\x00\x01"))...)
		matchtest.Datagrams(t, m, matchtest.UDP(), heads(t, "udp")[:4], [][]byte{{}, heads(t, "udp")[0]})
	}
	by, names := matchers(t)[1].(sdk.Keyed).Keys()
	if by == nil || !slices.Equal(names, []string{"www.example.com", "*.example.com", "version.bind", "."}) {
		t.Errorf("keys %v by %v", names, by)
	}
	for _, i := range []int{0, 2, 3} {
		if by, names := matchers(t)[i].(sdk.Keyed).Keys(); by != nil || names != nil {
			t.Errorf("matcher %d is chosen by %v", i, names)
		}
	}
}

// TestPlantedFaultsAreFound plants every fault but that of the clock, for which Check does
// not look, and that of First: a query may begin with any byte.
func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	m := matcher(t, "allow *.example.com")
	samples := append(heads(t, "tcp"), []byte("GET / HTTP/1.1\r\n"), framed(message(plain, "\x01a\x01b\x07example\x03com\x00\x00\x01\x00\x01")))
	for _, mutant := range matchtest.Mutants() {
		if mutant.Fault != "it reads the clock" && matchtest.Check(mutant.Plant(m), matchtest.TCP(), samples...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

func TestAskingAllocatesNothing(t *testing.T) {
	for _, m := range matchers(t) {
		matchtest.Allocs(t, m, matchtest.TCP(), heads(t, "tcp")...)
		matchtest.Allocs(t, m, matchtest.UDP(), heads(t, "udp")...)
	}
}

func FuzzDNS(f *testing.F) {
	matchtest.Fuzz(f, heads(f, "tcp"), matchers(f)...)
}

func FuzzDNSDatagrams(f *testing.F) {
	var sessions [][][]byte
	for _, b := range heads(f, "udp") {
		sessions = append(sessions, [][]byte{b})
	}
	matchtest.FuzzDatagrams(f, sessions, matchers(f)...)
}

// spelled writes a name as miekg/dns prints it the way a rule has to: there, a star at the
// front stands for a label, and braces for a placeholder.
var spelled = strings.NewReplacer("{", `\123`, "}", `\125`, "*", `\042`)

// FuzzAgainstServer compares with what a server on miekg/dns, like CoreDNS, goes on with:
// that is never No, and where it is Yes both read the same question.
func FuzzAgainstServer(f *testing.F) {
	for _, b := range heads(f, "udp") {
		f.Add(b)
	}
	f.Add(message(plain, "\x03www\xc0\x04\x00\x01\x00\x01"))
	f.Add(message(plain, "\x01*\x05a{b}\\\x00\x00\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		q := served(b)
		if q == nil {
			return
		}
		got := ask(matcher(t), "udp", b)
		switch v := got.Answer.Verdict; {
		case v == sdk.Unknown:
		case v != sdk.Yes:
			t.Fatalf("%q: %v, and a server goes on with %v", b, got, q)
		default:
			rule := node("allow NAME TYPE CLASS")
			rule.Block[0].Args[0].Text = spelled.Replace(q.Name)
			rule.Block[0].Args[1].Text = fmt.Sprintf("TYPE%d", q.Qtype)
			rule.Block[0].Args[2].Text = fmt.Sprintf("CLASS%d", q.Qclass)
			m, err := dns.New(rule)
			if err != nil {
				t.Fatalf("%q: %v", q.Name, err)
			}
			if v := ask(m, "udp", b).Answer.Verdict; v != sdk.Yes {
				t.Fatalf("%q: %v, and a server reads %v", b, got, q)
			}
		}
	})
}

// served returns the question that a server on miekg/dns reads, or nil. A message that
// ends behind the name or the type is none, though miekg/dns reads zeros there: no other
// server takes it.
func served(b []byte) *miekg.Question {
	m := new(miekg.Msg)
	if len(b) < 12 || m.Unpack(b) != nil || len(m.Question) != 1 {
		return nil
	}
	if _, end, err := miekg.UnpackDomainName(b, 12); err != nil || end+4 > len(b) {
		return nil
	}
	word := func(i int) uint16 { return binary.BigEndian.Uint16(b[2*i:]) }
	h := miekg.Header{Id: word(0), Bits: word(1), Qdcount: word(2), Ancount: word(3), Nscount: word(4), Arcount: word(5)}
	if miekg.DefaultMsgAcceptFunc(h) != miekg.MsgAccept {
		return nil
	}
	return &m.Question[0]
}

func BenchmarkMatch(b *testing.B) {
	m, f := matcher(b, "allow *.example.com"), flow("udp", flights(b)["udp-dig"])
	b.ReportAllocs()
	for b.Loop() {
		head, bounds := f.Head, f.Bounds
		f.Rehead(head)
		f.Bounds = bounds
		if v, _ := m.Match(f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
