package regexp_test

import (
	"os"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin/regexp"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
	"github.com/google/go-cmp/cmp"
)

// node makes the node of words between commas.
func node(args ...string) *sdk.Node {
	n := &sdk.Node{Name: "regexp"}
	for i, text := range args {
		n.Args = append(n.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: 1, Col: i + 1}})
	}
	return n
}

func build(t testing.TB, args ...string) *regexp.Matcher {
	t.Helper()
	m, err := regexp.New(node(args...))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*regexp.Matcher)
}

func ask(m sdk.Matcher, head string) string {
	f := matchtest.TCP()
	f.Head = []byte(head)
	return matchtest.Ask(m, &f).String()
}

func TestThePatternSeesCountBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		head string
		want string
	}{
		{[]string{`\d+`}, "ab1c", "yes"},
		{[]string{`\d+`}, "abcd1", "no"},
		{[]string{`\d+`}, "1ab", "need 4"},
		{[]string{`\d+`, "1"}, "1ab", "yes"},
		{[]string{`^(b|c|r)at(.*)\x00\x00$`, "10"}, "rat12345\x00\x00more", "yes"},
		{[]string{`^GET `, "8"}, "G", "need 2"},
		{[]string{`^GET `, "8"}, "GET ", "need 8"},
		{[]string{`^GET `, "8"}, "GEX", "no"},
		{[]string{`^GET `, "8"}, "GET / HT", "yes"},
		{[]string{`(?i)^get`, "4"}, "GeT ", "yes"},
		{[]string{`(?i)^get`, "4"}, "X", "need 4"},
		{[]string{`(?m)^b`, "4"}, "a\nb ", "yes"},
		{[]string{`^9E..BC4.$`, "4", "hex"}, "\x9e\x79\xbc\x40", "yes"},
		{[]string{`^9E..BC4.$`, "hex", "4"}, "\x9e\x79\xbd\x40", "no"},
		{[]string{`^9E..BC4.$`, "HEX"}, "\x9f", "no"},
		{[]string{`^9E..BC4.$`, "hex"}, "\x9e", "need 4"},
		{[]string{`^9`, "hex"}, "\x99", "need 4"},
		{[]string{"1603", "hex"}, "\x16\x03\x01\x02", "yes"},
		{[]string{"ssh", "4"}, "ssh-", "yes"},
		{[]string{"^\uFFFD", "4"}, "\xffabc", "yes"}, // what is no UTF-8 reads as U+FFFD
		{[]string{"^\u00e9t", "4"}, "\xc3\xa9t\xc3", "yes"},
		{[]string{"^\u00e9t", "4"}, "\xe9", "no"},
	} {
		if got := ask(build(t, c.args...), c.head); got != c.want {
			t.Errorf("regexp %s on %q: %s, want %s", strings.Join(c.args, " "), c.head, got, c.want)
		}
	}
}

func forms(t testing.TB) []sdk.Matcher {
	return []sdk.Matcher{
		build(t, `\d+`), build(t, `^GET `, "16"), build(t, `(?i)^ssh-`, "8"), build(t, `^(b|c|r)at`, "10"),
		build(t, `^16030[0-4]`, "5", "hex"), build(t, `7F$`, "3", "hex"), build(t, "^a\uFFFDb", "8"), build(t, `^x{3}`, "1000"),
	}
}

func samples(t testing.TB) [][]byte {
	t.Helper()
	heads := [][]byte{nil, []byte("SSH-2.0-OpenSSH_9.2\r\n"), []byte("a\xffb"), []byte("xxxx\x16\x03\x01")}
	for _, name := range []string{"http/curl-http1.bin", "http/curl-http2.bin", "postgres/psql-require.bin"} {
		b, err := os.ReadFile("../../testdata/flights/" + name)
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, b)
	}
	return heads
}

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	for _, m := range forms(t) {
		matchtest.Laws(t, m, matchtest.TCP(), samples(t)...)
	}
}

func FuzzRegexp(f *testing.F) { matchtest.Fuzz(f, samples(f), forms(f)...) }

// FuzzAnchored makes the patterns as well: what is said early of a pattern's fixed
// beginning must be what the pattern says in the end.
func FuzzAnchored(f *testing.F) {
	for _, m := range []string{`^GET `, `^a*b`, `^ab|c`, `^(?:ab)c`, `^(?i)ab`, `^ab?`, "^\uFFFDa", `^$`, `\Aab`, `^^ab`, `^a{2}b`} {
		f.Add(m, []byte("GET / HTTP/1.1"), uint8(6), false)
		f.Add(m, []byte("ab"), uint8(2), true)
	}
	f.Fuzz(func(t *testing.T, pattern string, head []byte, count uint8, hex bool) {
		args := []string{pattern, "1"}
		args[1] = string("0123456789"[count/10%10]) + string("0123456789"[count%10])
		if hex {
			args = append(args, "hex")
		}
		m, err := regexp.New(node(args...))
		if err != nil {
			return
		}
		if err := matchtest.Check(m, matchtest.TCP(), head); err != nil {
			t.Fatalf("regexp %q: %v", args, err)
		}
	})
}

func TestAPatternWithoutAFixedBeginningHoldsClients(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]int{`\d`: 300, `^GET`: 0, `^(GET|PUT)`: 300, `(?m)^GET`: 300} {
		if got := build(t, pattern, "300").Waits(); got != want {
			t.Errorf("%s: waits for %d bytes, want %d", pattern, got, want)
		}
	}
}

func TestWrongArgumentsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"a 0":         `1:2: regexp looks at 0 bytes: write a number from 1 to 16384`,
		"a 16385":     `1:2: regexp looks at 16385 bytes: write a number from 1 to 16384`,
		"a hex 99999": `1:3: regexp looks at 99999 bytes: write a number from 1 to 16384`,
		"^HELLO":      `1:1: regexp ^HELLO never matches 4 bytes: it begins with "HELLO", write a greater number behind it`,
		"^9e hex":     `1:1: regexp ^9e hex never matches: it begins with "9e", write digits and the capital letters A to F`,
	} {
		_, err := regexp.New(node(strings.Fields(args)...))
		if err == nil {
			t.Errorf("%s: no error", args)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}

func BenchmarkFourBytes(b *testing.B)    { benchmark(b, build(b, `\d+`)) }
func BenchmarkFourBytesHex(b *testing.B) { benchmark(b, build(b, `^5353`, "hex")) }
func BenchmarkAKilobyte(b *testing.B)    { benchmark(b, build(b, `(foo|bar)+\d`, "1024")) }

func benchmark(b *testing.B, m sdk.Matcher) {
	f := matchtest.TCP()
	head := []byte(strings.Repeat("SSH-2.0-OpenSSH ", 64))
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(head)
		if _, err := m.Match(&f); err != nil {
			b.Fatal(err)
		}
	}
}
