package tls_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/tls"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func flight(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "flights", "tls", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func flights(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "flights", "tls", "*.bin"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no flights: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		name := filepath.Base(file[:len(file)-len(".bin")])
		all[name] = flight(t, name)
	}
	return all
}

// node makes the tree of one matcher: each option is its name and its arguments.
func node(options ...[]string) *sdk.Node {
	n := &sdk.Node{Name: "tls"}
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
	m, err := tls.New(node(options...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// reframe puts the handshake message of a hello into records of the given sizes;
// what is left goes into one more.
func reframe(flight []byte, sizes ...int) []byte {
	msg := flight[5:]
	var out []byte
	for _, n := range append(sizes, len(msg)) {
		if n = min(n, len(msg)); n == 0 {
			continue
		}
		out = append(out, 0x16, 3, 1)
		out = binary.BigEndian.AppendUint16(out, uint16(n))
		out = append(out, msg[:n]...)
		msg = msg[n:]
	}
	return out
}

func ask(m sdk.Matcher, head []byte) matchtest.Result {
	f := matchtest.TCP()
	f.Head = head
	return matchtest.Ask(m, &f)
}

func TestFactsOfRealClients(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]string{
		"chromium":             {"server_name": "chromium.example.com", "version": "tls1.3", "alpn": "h2,http/1.1", "ech": "outer"},
		"curl-h2":              {"server_name": "app.example.com", "version": "tls1.3", "alpn": "h2,http/1.1"},
		"curl-http11":          {"server_name": "app.example.com", "version": "tls1.3", "alpn": "http/1.1"},
		"gnutls":               {"server_name": "gnutls.example.com", "version": "tls1.3", "alpn": "h2,http/1.1"},
		"gnutls-no-extensions": {"version": "tls1.0"},
		"gnutls-tls12-no-sni":  {"version": "tls1.2"},
		"go-classic":           {"server_name": "classic.example.com", "version": "tls1.3", "alpn": "h2,http/1.1"},
		"go-ech":               {"server_name": "public.example.com", "version": "tls1.3", "alpn": "h2", "ech": "outer"},
		"go-post-quantum":      {"server_name": "pq.example.com", "version": "tls1.3", "alpn": "h2,http/1.1"},
		"go-tls12":             {"server_name": "go.example.com", "version": "tls1.2"},
		"openssl-bad-name":     {"version": "tls1.3"},
		"openssl-final-dot":    {"server_name": "www.example.com", "version": "tls1.3"},
		"openssl-ip":           {"server_name": "192.0.2.1", "version": "tls1.3"},
		"openssl-no-sni":       {"version": "tls1.3"},
		"openssl-tls10":        {"server_name": "old.example.com", "version": "tls1.0"},
		"openssl-tls12":        {"server_name": "www.example.com", "version": "tls1.2", "alpn": "h2,http/1.1"},
		"openssl-tls13":        {"server_name": "www.example.com", "version": "tls1.3"},
		"openssl-tls13-only":   {"server_name": "www.example.com", "version": "tls1.3", "alpn": "h2,http/1.1"},
		"python":               {"server_name": "py.example.com", "version": "tls1.3"},
	}
	got := map[string]map[string]string{}
	for name, head := range flights(t) {
		r := ask(matcher(t), head)
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
	line := func(words ...string) []string { return words }
	tests := []struct {
		options [][]string
		flight  string
		want    sdk.Verdict
	}{
		{[][]string{line("sni", "www.example.com")}, "openssl-tls12", sdk.Yes},
		{[][]string{line("sni", "WWW.example.COM.")}, "openssl-final-dot", sdk.Yes},
		{[][]string{line("sni", "a.example", "*.example.com")}, "openssl-tls13", sdk.Yes},
		{[][]string{line("sni", "*.com", "example.com", "*.www.example.com")}, "openssl-tls13", sdk.No},
		{[][]string{line("sni", "a.example"), line("sni", "www.example.com")}, "openssl-tls13", sdk.Yes},
		{[][]string{line("sni", "192.0.2.1")}, "openssl-ip", sdk.Yes},
		{[][]string{line("sni", "www.example.com")}, "openssl-no-sni", sdk.No},
		{[][]string{line("sni", "www.example.com")}, "gnutls-no-extensions", sdk.No},
		{[][]string{line("sni", "www.example.com")}, "openssl-bad-name", sdk.Unknown},
		{[][]string{line("sni_regexp", "host")}, "openssl-bad-name", sdk.Unknown},
		{[][]string{line("sni", "www.example.com"), line("version", "tls1.2")}, "openssl-bad-name", sdk.No},
		{[][]string{line("sni", "secret.example.com")}, "go-ech", sdk.No},
		{[][]string{line("sni", "public.example.com")}, "go-ech", sdk.Yes},
		{[][]string{line("sni_regexp", `^www\.`)}, "openssl-tls12", sdk.Yes},
		{[][]string{line("sni_regexp", `^ww$`)}, "openssl-tls12", sdk.No},
		{[][]string{line("sni_regexp", `.*`)}, "openssl-no-sni", sdk.No},
		{[][]string{line("alpn", "h2")}, "curl-h2", sdk.Yes},
		{[][]string{line("alpn", "imap", "http/1.1")}, "curl-h2", sdk.Yes},
		{[][]string{line("alpn", "h2")}, "curl-http11", sdk.No},
		{[][]string{line("alpn", "http/1.1", "h")}, "openssl-tls13", sdk.No},
		{[][]string{line("alpn", "h", "2", "H2", "h2,http/1.1")}, "curl-h2", sdk.No},
		{[][]string{line("version", "tls1.2", "TLS1.3")}, "curl-h2", sdk.Yes},
		{[][]string{line("version", "tls1.2")}, "curl-h2", sdk.No},
		{[][]string{line("version", "tls1.0")}, "openssl-tls10", sdk.Yes},
		{[][]string{line("sni", "app.example.com"), line("alpn", "h2")}, "curl-h2", sdk.Yes},
		{[][]string{line("sni", "app.example.com"), line("alpn", "h2")}, "curl-http11", sdk.No},
		{[][]string{line("sni", "other.example.com"), line("alpn", "h2")}, "curl-h2", sdk.No},
		{[][]string{line("sni", "app.example.com"), line("sni_regexp", "z")}, "curl-h2", sdk.No},
		{[][]string{line("remote_ip", "10.0.0.0/8")}, "curl-h2", sdk.Yes}, // judged by another matcher
	}
	for _, test := range tests {
		if got := ask(matcher(t, test.options...), flight(t, test.flight)).Answer.Verdict; got != test.want {
			t.Errorf("%q on %s: %v, want %v", test.options, test.flight, got, test.want)
		}
	}
}

func TestFingerprintsAreMadeOnlyWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	head := flight(t, "curl-h2")
	if ja4, ok := ask(matcher(t), head).Facts["ja4"]; ok {
		t.Errorf("ja4 = %q without the option", ja4)
	}
	ja4 := ask(matcher(t, []string{"ja4"}), head).Facts["ja4"]
	other := ask(matcher(t, []string{"ja4"}), flight(t, "openssl-tls13")).Facts["ja4"]
	if ja4 == "" || other == "" || ja4 == other {
		t.Fatalf("ja4 of two clients: %q and %q", ja4, other)
	}
	if got := ask(matcher(t, []string{"ja4", other, ja4}), head); got.Answer.Verdict != sdk.Yes || got.Facts["ja4"] != ja4 {
		t.Errorf("its own fingerprint gives %v", got)
	}
	if got := ask(matcher(t, []string{"ja4", other}), head); got.Answer.Verdict != sdk.No {
		t.Errorf("another fingerprint gives %v", got)
	}
}

func TestGroupsOfThePatternAreFacts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		option []string
		want   map[string]string
	}{
		{[]string{"sni_regexp", `\.example\.`}, map[string]string{"regexp.0": ".example."}},
		{[]string{"sni_regexp", `^(?P<host>[a-z]+)\.(?P<none>x)?example`}, map[string]string{
			"regexp.0": "app.example", "regexp.1": "app", "regexp.host": "app", "regexp.2": "", "regexp.none": "",
		}},
		{[]string{"sni_regexp", "tenant", `^([a-z]+)\.`}, map[string]string{
			"regexp.tenant.0": "app.", "regexp.tenant.1": "app", "regexp.0": "app.", "regexp.1": "app",
		}},
	}
	for _, test := range tests {
		m := matcher(t, test.option)
		got := ask(m, flight(t, "curl-h2")).Facts
		for _, other := range []string{"server_name", "version", "alpn"} {
			delete(got, other)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.option, diff)
		}
		var names []string
		for key := range test.want {
			names = append(names, "tls."+key)
		}
		sets := m.(sdk.FactSetter).Sets()
		slices.Sort(names)
		slices.Sort(sets)
		if diff := cmp.Diff(names, sets); diff != "" {
			t.Errorf("%q sets (-want +got):\n%s", test.option, diff)
		}
	}
}

func TestOnlyAPlainPatternIsOne(t *testing.T) {
	t.Parallel()
	m, ok := matcher(t, []string{"sni_regexp", "^a"}).(sdk.Patterned)
	if !ok {
		t.Fatal("sni_regexp alone is no pattern")
	}
	by, pattern := m.Pattern()
	names, _ := matcher(t, []string{"sni", "a.example"}).(sdk.Keyed).Keys()
	if pattern != "^a" || by != names {
		t.Errorf("the pattern is %q, by %v", pattern, by)
	}
	for _, options := range [][][]string{{}, {{"sni", "a.example"}}, {{"sni_regexp", "a"}, {"sni", "a.example"}}, {{"sni_regexp", "a"}, {"ja4"}}} {
		if _, ok := matcher(t, options...).(sdk.Patterned); ok {
			t.Errorf("%q is a pattern", options)
		}
	}
}

func TestFramingDoesNotChangeWhatIsFound(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"go-post-quantum", "chromium"} {
		whole := flight(t, name)
		m := matcher(t, []string{"ja4"})
		want := ask(m, whole)
		five := (len(whole) - 5) / 5
		for at := 1; at < len(whole)-5; at++ {
			for _, head := range [][]byte{reframe(whole, at), reframe(whole, at%five+1, five, five, five)} {
				if diff := cmp.Diff(want, ask(m, head)); diff != "" {
					t.Fatalf("%s cut at %d (-whole +cut):\n%s", name, at, diff)
				}
			}
		}
	}
}

// TestEveryMatcherObeysTheLaws looks at every prefix of every hello, in one piece
// and over two and five records: among them post-quantum hellos cut at every byte.
func TestEveryMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	var heads [][]byte
	for _, head := range flights(t) {
		heads = append(heads, head)
	}
	pq := flight(t, "go-post-quantum")
	heads = append(heads, reframe(pq, 700), reframe(pq, 2, 3, 600, 500), []byte("GET / HTTP/1.1\r\n\r\n"), []byte{0x16}, append(flight(t, "go-tls12"), 0xff, 0))
	for name, m := range map[string]sdk.Matcher{
		"tls":     matcher(t),
		"sni":     matcher(t, []string{"sni", "*.example.com", "192.0.2.1"}),
		"options": matcher(t, []string{"sni_regexp", `example\.com$`}, []string{"alpn", "h2"}, []string{"version", "tls1.3"}, []string{"ja4"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			matchtest.Laws(t, m, matchtest.TCP(), heads...)
		})
	}
}

func TestAHelloLongerThanTheHeadIsUnknownAtOnce(t *testing.T) {
	t.Parallel()
	f := matchtest.TCP()
	f.MaxHead = 1000
	f.Head = flight(t, "go-post-quantum")[:9]
	if got := matchtest.Ask(matcher(t), &f); got.Answer.Verdict != sdk.Unknown {
		t.Errorf("1,524 bytes into 1,000: %v, want unknown", got)
	}
	f = matchtest.TCP()
	f.MaxHead = 1524
	f.Head = flight(t, "go-post-quantum")
	if got := matchtest.Ask(matcher(t), &f); got.Answer.Verdict != sdk.Yes {
		t.Errorf("1,524 bytes into 1,524: %v, want yes", got)
	}
}

func TestOnlyPlainNamesAreAKey(t *testing.T) {
	t.Parallel()
	m := matcher(t, []string{"sni", "B.example.", "*.a.example"})
	keyed, ok := m.(sdk.Keyed)
	if !ok {
		t.Fatalf("%T is not keyed", m)
	}
	by, names := keyed.Keys()
	if diff := cmp.Diff([]string{"b.example", "*.a.example"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	other, _ := matcher(t, []string{"sni", "c.example"}).(sdk.Keyed).Keys()
	if by != other {
		t.Error("two lists of names have selectors that differ")
	}
	for _, options := range [][][]string{{}, {{"sni", "a.example"}, {"alpn", "h2"}}, {{"sni", "a.example"}, {"ja4"}}} {
		if _, ok := matcher(t, options...).(sdk.Keyed); ok {
			t.Errorf("%q is keyed", options)
		}
	}
}

func TestEveryOptionOfTheSpecIsRead(t *testing.T) {
	t.Parallel()
	head := flight(t, "curl-h2")
	unlike := map[string][]string{
		"sni": {"other.example"}, "sni_regexp": {"^other"}, "alpn": {"imap"}, "version": {"tls1.0"},
		"ja4": {"t13d1516h2_8daaf6152771_e5627efa2ab1"},
	}
	for _, option := range tls.Spec().Block.Options {
		if option.Hoist {
			continue // another matcher
		}
		args, ok := unlike[option.Name]
		if !ok {
			t.Errorf("no arguments for %s", option.Name)
		}
		for _, arg := range args {
			if err := option.Args[len(option.Args)-1].Fits(arg); err != nil {
				t.Errorf("%s %s: %v", option.Name, arg, err)
			}
		}
		if got := ask(matcher(t, append([]string{option.Name}, args...)), head); got.Answer.Verdict != sdk.No {
			t.Errorf("%s %q: %v, want no", option.Name, args, got)
		}
	}
}

func TestBadArgumentsAreErrorsAtTheirPlaces(t *testing.T) {
	t.Parallel()
	_, err := tls.New(node(
		[]string{"sni", "*", "{vars.x}.example", "a..example", "a.example", "A.example."},
		[]string{"sni_regexp", "(?P<Name>a)"},
		[]string{"ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1", "q13d1516h2_8daaf6152771_e5627efa2ab1"},
	))
	if err == nil {
		t.Fatal("no error")
	}
	want := `Dwaarfile:2:10: * is no server name: write *.example.com, or for any name sni_regexp .
Dwaarfile:2:20: "{vars.x}.example" has a placeholder: write the name itself, or compare with vars {tls.server_name}
Dwaarfile:2:30: "a..example" has an empty label: write a host name like app.example.com
Dwaarfile:2:50: "A.example." is there twice: write it once
Dwaarfile:3:10: "Name" cannot name a fact: write at most 25 letters a to z, digits and _
Dwaarfile:4:20: "q13d1516h2_8daaf6152771_e5627efa2ab1" is no JA4 fingerprint: write one like t13d1516h2_8daaf6152771_e5627efa2ab1`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	pq := flight(t, "go-post-quantum")
	heads := [][]byte{flight(t, "curl-h2"), pq, reframe(pq, 700), reframe(pq, 300, 300, 300, 300), flight(t, "chromium")}
	for _, m := range []sdk.Matcher{
		matcher(t),
		matcher(t, []string{"sni", "*.example.com"}),
		matcher(t, []string{"sni_regexp", `\.example\.com$`}, []string{"alpn", "http/1.1"}, []string{"version", "tls1.3"}, []string{"ja4"}),
	} {
		matchtest.Allocs(t, m, matchtest.TCP(), heads...)
	}
}

// TestPlantedFaultsAreFound shows that the samples give the laws room to find
// every fault there is a mutant of.
func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	samples := [][]byte{flight(t, "openssl-tls12"), flight(t, "go-tls12"), reframe(flight(t, "gnutls"), 60, 100), []byte("GET / HTTP/1.1\r\n")}
	for _, mutant := range matchtest.Mutants() {
		if mutant.Fault == "it reads the clock" {
			continue // Check does not look for that
		}
		m := mutant.Plant(matcher(t, []string{"sni", "*.example.com"}))
		if matchtest.Check(m, matchtest.TCP(), samples...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}
