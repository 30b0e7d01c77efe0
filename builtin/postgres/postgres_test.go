package postgres_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin/postgres"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
	"github.com/google/go-cmp/cmp"
)

// flights returns first flights of real clients by name.
func flights(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/flights/postgres/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captured flights: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".bin")] = b
	}
	return all
}

func node(lines ...string) *sdk.Node {
	n := &sdk.Node{Name: "postgres"}
	for i, line := range lines {
		o := sdk.Node{Pos: sdk.Pos{Line: i + 1, Col: 1}}
		for j, text := range strings.Fields(line) {
			if j == 0 {
				o.Name = text
				continue
			}
			o.Args = append(o.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: i + 1, Col: j + 1}})
		}
		n.Block = append(n.Block, o)
	}
	return n
}

func build(t testing.TB, lines ...string) sdk.Matcher {
	t.Helper()
	m, err := postgres.New(node(lines...))
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

func TestRealClientsAreRecognizedWithTheirFacts(t *testing.T) {
	t.Parallel()
	type answers struct{ Bare, User, TLS string }
	want := map[string]answers{
		"pg-isready":       {`yes application_name="pg_isready" database="root" user="root"`, "no", "no"},
		"psql-cancel":      {"yes", "unknown", "no"},
		"psql-disable":     {`yes application_name="psql" database="planets_db" user="alice"`, `yes application_name="psql" database="planets_db" user="alice"`, "no"},
		"psql-gssenc":      {"yes", "unknown", "unknown"},
		"psql-options":     {`yes application_name="TablePlus" database="planets_db" user="alice"`, `yes application_name="TablePlus" database="planets_db" user="alice"`, "no"},
		"psql-prefer":      {"yes", "unknown", "yes"},
		"psql-replication": {`yes application_name="psql" database="planets_db" user="alice"`, `yes application_name="psql" database="planets_db" user="alice"`, "no"},
		"psql-require":     {"yes", "unknown", "yes"},
		"psycopg2":         {`yes database="public_db" user="bob"`, "no", "no"},
	}
	got := map[string]answers{}
	bare, user, tls := build(t), build(t, "user alice planets_db"), build(t, "tls enabled")
	for name, head := range flights(t) {
		got[name] = answers{ask(bare, head), ask(user, head), ask(tls, head)}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to captured flights (-want +got):\n%s", diff)
	}
}

func forms(t testing.TB) []sdk.Matcher {
	return []sdk.Matcher{
		build(t), build(t, "user alice planets_db stars_db", "user * public_db"), build(t, "client psql TablePlus"),
		build(t, "tls enabled"), build(t, "user bob", "client psql", "tls disabled"),
	}
}

// oddities are messages made of a real one: cut, doubled, with one part changed.
func oddities(t testing.TB) [][]byte {
	start := string(flights(t)["psql-disable"])
	change := func(old, with string) []byte { return []byte(strings.Replace(start, old, with, 1)) }
	return [][]byte{
		nil,
		[]byte("SSH-2.0-OpenSSH_9.2\r\n"),
		[]byte(start + start),
		change("psql\x00\x00", "psql\x00x"), // no end
		change("user\x00alice", "user\x00\x00lice"),                    // the names are values now
		change("user\x00", "usex\x00"),                                 // no user
		change("application_name\x00psql", "user\x00bobbobbobbobbobb"), // two
		change("\x00\x03\x00\x00", "\x00\x03\x00\x02"),
		change("\x00\x03\x00\x00", "\x00\x04\x00\x00"),
	}
}

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	heads := oddities(t)
	for _, head := range flights(t) {
		heads = append(heads, head)
	}
	for _, m := range forms(t) {
		matchtest.Laws(t, m, matchtest.TCP(), heads...)
	}
}

func FuzzPostgres(f *testing.F) {
	seeds := oddities(f)
	for _, head := range flights(f) {
		seeds = append(seeds, head)
	}
	matchtest.Fuzz(f, seeds, forms(f)...)
}

func TestOtherProtocolsAreRefusedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	m := build(t)
	for _, c := range []struct{ head, what string }{
		{"\x16", "TLS"},
		{"\x00\x01", "a length of 64 KiB"},
		{"\x00\x00\x28", "a length beyond 10,004"},
		{"\x00\x00\x27\x15", "a length of 10,005"},
		{"\x00\x00\x00\x07", "a length without a code"},
		{"\x00\x00\x00\x08\x00", "a start without parameters"},
		{"\x00\x00\x00\x20\x01", "an impossible code"},
		{"\x00\x00\x00\x20\x00\x01", "protocol 1"},
		{"\x00\x00\x00\x20\x00\x04", "protocol 4"},
		{"\x00\x00\x00\x08\x04\xd3", "almost an SSLRequest"},
		{"\x00\x00\x00\x08\x04\xd2\x16\x2e", "a CancelRequest of 8 bytes"},
		{"\x00\x00\x00\x08\x04\xd2\x16\x31", "a request nobody knows"},
		{"\x00\x00\x01\x0d\x04\xd2\x16\x2e", "a CancelRequest with a key of 257 bytes"},
	} {
		if got := ask(m, []byte(c.head)); got != "no" {
			t.Errorf("%s: %q is %s", c.what, c.head, got)
		}
		if got := ask(m, []byte(c.head[:len(c.head)-1])); !strings.HasPrefix(got, "need") {
			t.Errorf("%s: %q is %s, one byte early", c.what, c.head[:len(c.head)-1], got)
		}
	}
}

// Servers look at nothing behind the code of a request for encryption, and count 10,000
// bytes from behind the length.
func TestMessagesMayBeAsLongAsServersTakeThem(t *testing.T) {
	t.Parallel()
	padded := func(size int, code string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(size)), code+strings.Repeat("\x00", size-4-len(code))...)
	}
	user := "\x00\x03\x00\x00user\x00alice\x00application_name\x00"
	long := binary.BigEndian.AppendUint32(nil, 10004)
	long = append(long, user+strings.Repeat("a", 10004-4-len(user)-2)+"\x00\x00"...)
	for what, c := range map[string]struct {
		head []byte
		want string
	}{
		"a start of 10,004 bytes":                 {long, "yes database=\"alice\" user=\"alice\""},
		"a CancelRequest with a key of 4 bytes":   {padded(16, "\x04\xd2\x16\x2e"), "yes"},
		"a CancelRequest with a key of 256 bytes": {padded(268, "\x04\xd2\x16\x2e"), "yes"},
		"an SSLRequest of 16 bytes":               {padded(16, "\x04\xd2\x16\x2f"), "yes"},
		"a GSSENCRequest of 10,004 bytes":         {padded(10004, "\x04\xd2\x16\x30"), "yes"},
		"protocol 2":                              {padded(296, "\x00\x02\x00\x00"), "unknown"},
	} {
		if got := ask(build(t), c.head); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
		if got := ask(build(t), c.head[:len(c.head)-1]); what != "protocol 2" && !strings.HasPrefix(got, "need") {
			t.Errorf("%s: %s, one byte early", what, got)
		}
	}
}

func TestASecondDatabaseThatIsEmptyIsNotTakenForNone(t *testing.T) {
	t.Parallel()
	body := "\x00\x03\x00\x00user\x00alice\x00database\x00secret\x00database\x00\x00\x00"
	head := append(binary.BigEndian.AppendUint32(nil, uint32(4+len(body))), body...)
	if got := ask(build(t, "user alice alice"), head); got != "unknown" {
		t.Errorf("user alice with the database alice: %s", got)
	}
	if got, want := ask(build(t), head), `yes user="alice"`; got != want {
		t.Errorf("facts: %s, want %s", got, want)
	}
}

func TestAStartupMessageThatTheServerRefusesIsNone(t *testing.T) {
	t.Parallel()
	bare, user, client := build(t), build(t, "user alice planets_db"), build(t, "client psql")
	start := string(flights(t)["psql-disable"])
	for what, c := range map[string]struct {
		old, with          string
		bare, user, client string
	}{
		"the real one":           {"", "", "yes", "yes", "yes"},
		"another end":            {"psql\x00\x00", "psql\x00x", "yes", "yes", "yes"},
		"no end":                 {"psql\x00\x00", "psqlx\x00", "no", "no", "no"},
		"an end before the end":  {"\x00database\x00", "\x00\x00atabase\x00", "no", "no", "no"},
		"no user":                {"user\x00", "usex\x00", "no", "no", "no"},
		"an empty user":          {"user\x00alice\x00", "user\x00\x00lice\x00", "no", "no", "no"},
		"two users":              {"application_name\x00psql\x00", "x\x00y\x00user\x00bobbobbobbob\x00", "yes", "unknown", "no"},
		"the same user twice":    {"application_name\x00psql\x00", "user\x00alice\x00abcdefghi\x00\x00", "yes", "yes", "no"},
		"two application names":  {"database\x00planets_db\x00application_name\x00psql\x00", "application_name\x00a\x00application_name\x00bbbbb\x00", "yes", "no", "unknown"},
		"no database":            {"database\x00", "datebase\x00", "yes", "no", "yes"},
		"two databases":          {"application_name\x00psql\x00", "database\x00planetsxdbxx\x00", "yes", "unknown", "no"},
		"an empty database":      {"database\x00planets_db\x00", "database\x00\x00anets_db\x00\x00", "yes", "no", "yes"},
		"another client":         {"psql\x00\x00", "pgql\x00\x00", "yes", "yes", "no"},
		"another minor version":  {"\x00\x03\x00\x00", "\x00\x03\x00\x63", "yes", "yes", "yes"},
		"another database first": {"planets_db", "stars_db__", "yes", "no", "yes"},
	} {
		head := []byte(strings.Replace(start, c.old, c.with, 1))
		if len(head) != len(start) {
			t.Fatalf("%s: %d bytes instead of %d", what, len(head), len(start))
		}
		for _, a := range []struct {
			m    sdk.Matcher
			want string
		}{{bare, c.bare}, {user, c.user}, {client, c.client}} {
			if got, _, _ := strings.Cut(ask(a.m, head), " "); got != a.want {
				t.Errorf("%s: %s, want %s", what, got, a.want)
			}
		}
	}
}

func TestAnyOtherUserIsAUserWithoutALine(t *testing.T) {
	t.Parallel()
	alice, bob := flights(t)["psql-disable"], flights(t)["psycopg2"]
	for lines, want := range map[string][2]string{
		"user alice;user * public_db":               {"yes", "yes"},
		"user alice stars_db;user *":                {"no", "yes"},
		"user * planets_db;user alice stars_db":     {"no", "no"},
		"user alice stars_db;user alice planets_db": {"yes", "no"},
		"user *":                   {"yes", "yes"},
		"user bob":                 {"no", "yes"},
		"user bob;tls disabled":    {"no", "yes"},
		"client psql;tls *":        {"yes", "no"},
		"client other;client psql": {"yes", "no"},
	} {
		m := build(t, strings.Split(lines, ";")...)
		for i, head := range [][]byte{alice, bob} {
			if got, _, _ := strings.Cut(ask(m, head), " "); got != want[i] {
				t.Errorf("%s: %s, want %s", lines, got, want[i])
			}
		}
	}
}

func TestTLSSaysHowTheClientBegins(t *testing.T) {
	t.Parallel()
	for word, want := range map[string][4]string{
		"enabled":  {"no", "yes", "unknown", "no"},
		"DISABLED": {"yes", "no", "unknown", "yes"},
		"*":        {"yes", "yes", "yes", "yes"},
	} {
		for i, name := range []string{"psql-disable", "psql-require", "psql-gssenc", "psql-cancel"} {
			if got, _, _ := strings.Cut(ask(build(t, "tls "+word), flights(t)[name]), " "); got != want[i] {
				t.Errorf("tls %s on %s: %s, want %s", word, name, got, want[i])
			}
		}
	}
}

func TestEveryOptionOfTheSpecIsKnown(t *testing.T) {
	t.Parallel()
	for _, o := range postgres.Spec().Block.Options {
		if o.Hoist || o.Negates {
			continue // the graph's
		}
		m, err := postgres.New(node(o.Name + " enabled"))
		if err != nil || reflect.DeepEqual(m, &postgres.Matcher{}) {
			t.Errorf("%s changes nothing: %v", o.Name, err)
		}
	}
}

func TestWrongOptionsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"user alice *":            `1:3: user alice *: a database is called by its name: leave the databases out to allow all`,
		"user alice;user alice a": `2:2: user alice: one line allows all databases and another names some: write one line`,
		"tls enabled;user alice":  `1:1: tls enabled and user or client never hold together, the client sends them encrypted: leave either out`,
		"client psql;tls enabled": `2:1: tls enabled and user or client never hold together, the client sends them encrypted: leave either out`,
	} {
		_, err := postgres.New(node(strings.Split(lines, ";")...))
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
	var heads [][]byte
	for _, head := range flights(t) {
		heads = append(heads, head)
	}
	for _, m := range forms(t) {
		matchtest.Allocs(t, m, matchtest.TCP(), heads...)
	}
}

func BenchmarkUserOfAStartupMessage(b *testing.B) {
	m, head := build(b, "user alice planets_db"), flights(b)["psql-disable"]
	f := matchtest.TCP()
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(head)
		if _, err := m.Match(&f); err != nil {
			b.Fatal(err)
		}
	}
}
