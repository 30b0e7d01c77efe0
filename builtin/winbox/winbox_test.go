package winbox_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/winbox"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func flight(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../testdata/flights/winbox", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func names() []string {
	return []string{"standard", "romon", "one-letter", "domain", "chunk-full", "chunk-two", "chunk-name"}
}

func flights(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, name := range names() {
		all = append(all, flight(t, name))
	}
	return all
}

func node(lines ...string) *sdk.Node {
	n := &sdk.Node{Name: "winbox"}
	for i, line := range lines {
		name, rest, _ := strings.Cut(line, " ")
		o := sdk.Node{Name: name, Pos: sdk.Pos{Line: i + 1, Col: 1}}
		for j, text := range strings.Split(rest, " ") {
			o.Args = append(o.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: i + 1, Col: j + 2}})
		}
		n.Block = append(n.Block, o)
	}
	return n
}

func build(t testing.TB, lines ...string) sdk.Matcher {
	t.Helper()
	m, err := winbox.New(node(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ask(m sdk.Matcher, head []byte) string {
	f := matchtest.TCP()
	f.Head = head
	return matchtest.Ask(m, &f).String()
}

// message makes the first message of a name, with a key of zeros.
func message(name string) []byte {
	var all []byte
	kind := byte(6)
	for piece := range slices.Chunk(append([]byte(name), make([]byte, 34)...), 255) {
		all = append(append(all, byte(len(piece)), kind), piece...)
		kind = 255
	}
	return all
}

func TestMessagesAreRecognizedWithTheirNames(t *testing.T) {
	t.Parallel()
	want := map[string][5]string{
		//            any                                   modes standard  modes romon  username toms  username_regexp
		"standard":   {`yes username="toms"`, "yes", "no", "yes", "no"},
		"romon":      {`yes username="toms"`, "no", "yes", "yes", "no"},
		"one-letter": {`yes username="a"`, "yes", "no", "no", "no"},
		"domain":     {`yes username="EXAMPLE\\Edgars.Bērziņš"`, "yes", "no", "no", "yes"},
		"chunk-full": {`yes username="` + strings.Repeat("n", 221) + `"`, "yes", "no", "no", "yes"},
		"chunk-two":  {`yes username="` + strings.Repeat("n", 222) + `"`, "yes", "no", "no", "yes"},
		"chunk-name": {`yes username="` + strings.Repeat("n", 255) + `"`, "no", "yes", "no", "yes"},
	}
	matchers := []sdk.Matcher{
		build(t), build(t, "modes standard"), build(t, "modes RoMON"), build(t, "username toms"), build(t, `username_regexp ^n+$|Edgars`),
	}
	got := map[string][5]string{}
	for _, name := range names() {
		var row [5]string
		for i, m := range matchers {
			row[i] = ask(m, flight(t, name))
			if i > 0 {
				row[i], _, _ = strings.Cut(row[i], " ")
			}
		}
		got[name] = row
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestNamesOfAnyLengthAreFound(t *testing.T) {
	t.Parallel()
	m := build(t)
	for n := range 600 {
		for _, suffix := range []string{"", "+r"} {
			name := strings.Repeat("u", n)
			want := `yes username="` + name + `"`
			switch {
			case n == 0:
				want = "no"
			case n > 255:
				want = "unknown"
			}
			if got := ask(m, message(name+suffix)); got != want {
				t.Errorf("a name of %d bytes%s: %s, want %s", n, suffix, got, want)
			}
		}
	}
}

// TestMessagesAreJudgedAtTheFirstImpossibleByte has a bar before the byte that decides.
func TestMessagesAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("k", 32)
	long := strings.Repeat("n", 221)
	for _, c := range []struct{ message, want string }{
		{"\x26|\x07", "no"},                                 // another handler
		{"|\x22\x06", "no"},                                 // too short for a key
		{"|\x16\x03\x01", "no"},                             // TLS
		{"G|ET / HTTP/1.1\r\n", "no"},                       // long enough
		{"\x26\x06to|\nms\x00", "no"},                       // a control character
		{"\x26\x06to|\x00ms\x00", "no"},                     // the name is too short for the chunk
		{"\x26\x06toms|x\x00", "no"},                        // too long
		{"\x26\x06toms\x00" + key + "|\x02", "no"},          // no parity
		{"\x26\x06toms\x00" + key + "|\x01", "yes"},         //
		{"\x24\x06+r\x00" + key + "|\x01", "no"},            // no name
		{"\xff\x06" + long[1:] + "|\x00" + key, "no"},       // the name ends too early for a full chunk
		{"\xff\x06" + long + "\x00" + key + "|\x00", "yes"}, // the parity ends the chunk
		{"\xff\x06" + long + "\x00" + key + "|\x02", "no"},
		{"\xff\x06" + long + "n\x00" + key + "|\x02\xff\x00", "no"}, // the next chunk has another size
		{"\xff\x06" + long + "n\x00" + key + "\x01|\x06\x00", "no"}, // and another handler
		{"\xff\x06" + long + "n\x00" + key + "\x01\xff|\x02", "no"},
		{"\xff\x06" + long + "n\x00" + key + "\x01\xff|\x01", "yes"},
		{"\xff\x06" + long + strings.Repeat("n", 34) + "|\x21\xff", "no"},      // the next chunk has no room for a key
		{"\xff\x06" + long + strings.Repeat("n", 34) + "|\x25\xff", "unknown"}, // it has room for too long a name
		{"\xff\x06" + long + strings.Repeat("n", 34) + "\x22\xff|n", "no"},     // it has no room for a longer name
		{"\xff\x06" + long + strings.Repeat("n", 34) + "\x24\xffn|\x00", "no"}, // it has
		{"\xff\x06" + long + strings.Repeat("n", 34) + "\x24\xff+r\x00" + key + "|\x01", "yes"},
		{"\xff\x06" + long + strings.Repeat("n", 34) + "\x23\xffn\x00" + key + "|\x01", "unknown"}, // 256 bytes
	} {
		before, after, _ := strings.Cut(c.message, "|")
		for n := range len(before) + len(after) + 1 {
			head := []byte(before + after)[:n]
			want := c.want
			if n <= len(before) {
				want = "need"
			}
			if got, _, _ := strings.Cut(ask(build(t), head), " "); got != want {
				t.Errorf("%q: %s, want %s", head, got, want)
			}
		}
	}
}

func TestAChangedByteInAFixedFieldIsImpossible(t *testing.T) {
	t.Parallel()
	m := build(t)
	for _, c := range []struct {
		flight string
		fixed  []int
	}{
		{"standard", []int{0, 1, 6}},
		{"chunk-full", []int{0, 1, 223}},
		{"chunk-two", []int{0, 1, 224, 257, 258}},
		{"chunk-name", []int{0, 1, 257, 258, 261}},
	} {
		for _, i := range c.fixed {
			for bit := range 8 {
				head := flight(t, c.flight)
				head[i] ^= 1 << bit
				got := ask(m, head)
				// A greater size is a longer message, of which the end is missing.
				if got != "no" && (i != 0 || !strings.HasPrefix(got, "need")) && !(c.flight == "chunk-name" && i == 257 && got == "unknown") {
					t.Errorf("%s with bit %d of byte %d changed: %s", c.flight, bit, i, got)
				}
			}
		}
		head := flight(t, c.flight)
		head[len(head)-1] |= 2
		if got := ask(m, head); got != "no" {
			t.Errorf("%s with a parity of 2: %s", c.flight, got)
		}
	}
}

// facts are those of a connection.
type facts map[string]string

func (f facts) Get(name string) (string, bool) { v, ok := f[name]; return v, ok }
func (facts) Set(string, []byte)               {}

func TestANameMayHoldPlaceholders(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"{vars.user}": "yes", "{l4.vars.user}": "yes", "to{vars.rest}": "yes", "{vars.begin}{vars.rest}": "yes",
		"{vars.other}": "no", "{vars.none}": "no", "{vars.user}s": "no", "x{vars.user}": "no", "{vars.begin}": "no",
	} {
		m := build(t, "username "+name)
		f := matchtest.TCP()
		f.Bind(facts{"vars.user": "toms", "vars.rest": "ms", "vars.begin": "to", "vars.other": "andris"})
		f.Head = flight(t, "standard")
		if got, _, _ := strings.Cut(matchtest.Ask(m, &f).String(), " "); got != want {
			t.Errorf("username %s: %s, want %s", name, got, want)
		}
	}
	reads := build(t, "username {vars.b}-{vars.a}-{vars.b}").(sdk.FactReader).Reads()
	if diff := cmp.Diff([]string{"vars.a", "vars.b"}, reads); diff != "" {
		t.Errorf("Reads (-want +got):\n%s", diff)
	}
}

func TestWrongOptionsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"username a;username_regexp b": "2:1: username and username_regexp both choose the name: leave one of them out",
		"username ":                    "1:2: username is empty: write a name, or leave the option out",
		"username {vars.a":             `1:2: username "{vars.a": a placeholder has the form {tls.server_name}`,
		"username a{b}":                `1:2: username "a{b}": a placeholder has the form {tls.server_name}`,
	} {
		_, err := winbox.New(node(strings.Split(lines, ";")...))
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", lines, err, want)
		}
	}
}

func forms(t testing.TB) []sdk.Matcher {
	return []sdk.Matcher{build(t), build(t, "modes romon"), build(t, "modes standard romon", "username toms"), build(t, "username_regexp ^n")}
}

func oddities() [][]byte {
	return [][]byte{
		nil, message(""), message("+r"), message("a\x7f"), message(strings.Repeat("n", 256)), message(strings.Repeat("n", 400)),
		append(message("toms"), "more"...), []byte("GET / HTTP/1.1\r\n\r\n"), []byte("SSH-2.0-x\r\n"),
	}
}

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	matchtest.Laws(t, build(t), matchtest.TCP(), append(flights(t), oddities()...)...)
	for _, m := range forms(t) {
		matchtest.Laws(t, m, matchtest.TCP(), flight(t, "standard"), flight(t, "romon"), flight(t, "chunk-two"))
		matchtest.Laws(t, m, matchtest.UDP(), flight(t, "standard"))
	}
}

func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	samples := [][]byte{flight(t, "standard"), message("Edgars"), append(message("toms"), "MORE"...), []byte("GET / HTTP/1.1\r\n"), message("toms\x01")}
	for _, mutant := range matchtest.Mutants() {
		m, ok := plant(mutant, build(t))
		if ok && matchtest.Check(m, matchtest.TCP(), samples...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

// plant returns the matcher with a fault, unless the fault is of another kind of
// matcher, or one that Check does not look for.
func plant(mutant matchtest.Mutant, m sdk.Matcher) (faulty sdk.Matcher, ok bool) {
	defer func() { ok = recover() == nil && mutant.Fault != "it reads the clock" }()
	return mutant.Plant(m), true
}

func FuzzWinBox(f *testing.F) {
	matchtest.Fuzz(f, append(flights(f), oddities()...), forms(f)...)
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/flights/*/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatal("no captured flights", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := ask(build(t), b); got != "no" && !strings.Contains(file, "/winbox/") {
			t.Errorf("%s: %s", file, got)
		}
		f := matchtest.UDP()
		f.Head, f.Bounds = b, []int{len(b)}
		if got := matchtest.Ask(build(t), &f).String(); got != "no" {
			t.Errorf("%s as a datagram: %s", file, got)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	for _, m := range []sdk.Matcher{build(t), build(t, "modes standard", "username toms")} {
		matchtest.Allocs(t, m, matchtest.TCP(), flights(t)...)
	}
}

func BenchmarkUsername(b *testing.B) {
	m, f := build(b, "username toms"), matchtest.TCP()
	head := flight(b, "standard")
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(head)
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
