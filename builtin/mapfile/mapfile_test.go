package mapfile

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/watch"
	"dwaar.dev/dwaar/sdk"
)

// put replaces a file by renaming another one.
func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// of makes a map of a text.
func of(t testing.TB, k kind, text string) *Map {
	t.Helper()
	name := filepath.Join(t.TempDir(), "map")
	put(t, name, text)
	m, err := open("m", name, k)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// lookUp returns the value of a key, or "-".
func lookUp(m *Map, key string) string {
	value, ok := m.Find(key)
	if !ok {
		return "-"
	}
	return string(value)
}

func TestAKeyLeadsToTheValueOfItsKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  kind
		text  string
		wants map[string]string
	}{
		{names, "\xef\xbb\xbfApp.Example.com  one # a comment\r\n\n# nothing\n\t*.example.com\ttwo words\nexample.com three\n*.a.example.com four#5\nlocalhost six", map[string]string{
			"app.example.com": "one", "APP.EXAMPLE.COM": "one", "b.example.com": "two words", "B.example.COM": "two words",
			"example.com": "three", "a.b.example.com": "-", "x.a.example.com": "four#5", "localhost": "six",
			"": "-", ".example.com": "-", "*.example.com": "-", "*": "-", "com": "-", ".": "-", "example.com.": "-",
			strings.Repeat("x", 300) + ".example.com": "-", strings.Repeat("x", 63) + ".example.com": "two words",
		}},
		{exact, "alice 1\nAlice 2\n/a/b 3\n*.example.com 4\nä 5", map[string]string{
			"alice": "1", "Alice": "2", "ALICE": "-", "/a/b": "3", "/a": "-", "*.example.com": "4", "x.example.com": "-", "ä": "5",
			strings.Repeat("x", 300): "-",
		}},
		{prefixes, "/ root\n/api api\n/api/v2 new\n" + strings.Repeat("x", 255) + " long\n" + strings.Repeat("x", 64) + " middle", map[string]string{
			"/": "root", "/index": "root", "/api": "api", "/api/v1": "api", "/api/v2/x": "new", "api": "-", "": "-", "/AP": "root",
			strings.Repeat("x", 300): "long", strings.Repeat("x", 254): "middle", strings.Repeat("x", 64): "middle", strings.Repeat("x", 63): "-",
		}},
		{addresses, "10.0.0.0/8 inside\n10.1.0.0/16 lab\n192.0.2.1 office\n2001:db8::/32 six\n::ffff:198.51.100.0/120 mapped", map[string]string{
			"10.2.3.4": "inside", "10.1.3.4": "lab", "192.0.2.1": "office", "192.0.2.2": "-", "2001:db8::1": "six",
			"::ffff:10.1.2.3": "lab", "192.0.2.1:443": "office", "[2001:db8::1]:443": "six", "198.51.100.9": "mapped",
			"fe80::1%eth0": "-", "app": "-", "": "-", "10.0.0.0/8": "-",
		}},
		{names, "", map[string]string{"a": "-"}},
		{prefixes, "# nothing", map[string]string{"a": "-"}},
		{addresses, "", map[string]string{"10.0.0.1": "-"}},
	} {
		m := of(t, c.kind, c.text)
		for key, want := range c.wants {
			if got := lookUp(m, key); got != want {
				t.Errorf("%s %q: %s, want %s", c.kind, key, got, want)
			}
		}
	}
}

func TestAFileThatIsWrongSaysWhereAndWhat(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		kind kind
		text string
		want []string
	}{
		{names, "a.example.com", []string{"f:1:1: there is no value: write a word, in a file KEY VALUE on a line"}},
		{names, "a.example.com x\n  a.example.com y", []string{"f:2:1: a.example.com stands in line 1 already: leave one of them out"}},
		{names, "a..b x", []string{`f:1:1: "a..b" is no name like app.example.com or *.example.com: for other keys write keys exact, prefixes or addresses in the declaration of the map`}},
		{names, "a x{y}", []string{`f:1:1: "x{y}" has a brace: what stands in a map is a text and holds no placeholders`}},
		{names, "a x\x00", []string{`f:1:1: "x\x00" has a control character: write letters, digits and punctuation`}},
		{exact, long + " x", []string{`f:1:1: "` + long[:60] + `…" is longer than the 255 bytes a key can have`}},
		{exact, "x " + long, []string{`f:1:1: "` + long[:60] + `…" is longer than the 255 bytes a value can have`}},
		{exact, strings.Repeat("x", maxLine+1), []string{"f:1:1: the line is longer than 16384 bytes: is this a file of keys and values?"}},
		{addresses, "10.0.0.1/8 x\n10.0.0.0/8 y\nprivate_ranges z", []string{
			"f:2:1: 10.0.0.0/8 stands in an earlier line already: leave one of them out",
			`f:3:1: "private_ranges" is no address or CIDR range like 10.0.0.0/8`,
		}},
		{addresses, strings.Repeat("x y\n", 50), slices.Collect(func(yield func(string) bool) {
			for i := range maxFaults {
				yield(fmt.Sprintf(`f:%d:1: "x" is no address or CIDR range like 10.0.0.0/8`, i+1))
			}
		})},
	} {
		_, err := parse("f", strings.NewReader(c.text), c.kind, 0)
		if err == nil {
			t.Errorf("%q: no error", clip(c.text))
			continue
		}
		if diff := cmp.Diff(c.want, strings.Split(err.Error(), "\n")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", clip(c.text), diff)
		}
	}
}

func TestAFileHasABound(t *testing.T) {
	t.Parallel()
	p := parser{name: "f", kind: exact, into: newWords(exact, 0), most: 2}
	if _, err := p.read(strings.NewReader("a 1\n# b\nb 2\nc 3\nd 4\n")); err == nil || err.Error() != "f:4:1: the file has more than 2 keys: split it into several maps" {
		t.Errorf("a file with too many keys: %v", err)
	}
	name := filepath.Join(t.TempDir(), "map")
	put(t, name, "")
	if err := os.Truncate(name, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := open("m", name, names); err == nil || !strings.Contains(err.Error(), "the file is too long: 128 MiB is the most") {
		t.Errorf("a file that is too long: %v", err)
	}
}

// lines prints what a map shows.
func lines(m *Map) string {
	var b strings.Builder
	for key, value := range m.All() {
		fmt.Fprintf(&b, "%s %s\n", key, value)
	}
	return b.String()
}

func TestAChangeCountsUntilTheFileIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind                  kind
		text                  string
		set, value, del, miss string
		all                   string
		asks                  map[string]string
	}{
		{
			names, "a.example.com 1\n*.example.com 2\n", "C.example.com", "3", "*.EXAMPLE.com", "x.example.com",
			"a.example.com 1\nc.example.com 3\n",
			map[string]string{"a.example.com": "1", "c.example.com": "3", "x.example.com": "-"},
		},
		{
			prefixes, "/ 1\n/api 2\n", "/api/v2", "3", "/", "/nothing",
			"/api 2\n/api/v2 3\n",
			map[string]string{"/x": "-", "/api/x": "2", "/api/v2/x": "3"},
		},
		{
			addresses, "10.0.0.0/8 1\n10.1.0.0/16 2\n", "10.1.2.3", "3", "10.0.0.9/8", "192.0.2.1",
			"10.1.0.0/16 2\n10.1.2.3 3\n",
			map[string]string{"10.2.0.1": "-", "10.1.0.1": "2", "10.1.2.3": "3"},
		},
	} {
		m := of(t, c.kind, c.text)
		before := lines(m)
		if err := m.Set(c.set, c.value); err != nil {
			t.Errorf("%s: setting %s: %v", c.kind, c.set, err)
		}
		if err := m.Delete(c.del); err != nil {
			t.Errorf("%s: deleting %s: %v", c.kind, c.del, err)
		}
		for _, key := range []string{c.del, c.miss} {
			if err := m.Delete(key); err == nil || !strings.HasPrefix(err.Error(), "the map has no key ") {
				t.Errorf("%s: deleting %s, which is not there: %v", c.kind, key, err)
			}
		}
		for key, want := range c.asks {
			if got := lookUp(m, key); got != want {
				t.Errorf("%s: %s leads to %s, want %s", c.kind, key, got, want)
			}
		}
		if got := lines(m); got != c.all {
			t.Errorf("%s: all of it is %q, want %q", c.kind, got, c.all)
		}
		if s := m.State(); s.Keys != 2 || s.Changes != 2 || s.Swaps != 0 || s.Name != "m" || s.Kind != c.kind.String() {
			t.Errorf("%s: %+v", c.kind, s)
		}
		if err := m.Set(c.del, "9"); err != nil || m.State().Keys != 3 {
			t.Errorf("%s: setting what was deleted: %v, %+v", c.kind, err, m.State())
		}
		if err := m.Delete(c.set); err != nil || lookUp(m, c.set) == c.value {
			t.Errorf("%s: deleting what was set: %v, it leads to %s", c.kind, err, lookUp(m, c.set))
		}
		put(t, m.file, c.text+"# as it was\n")
		m.look(slog.New(slog.DiscardHandler))
		m.look(slog.New(slog.DiscardHandler))
		if got := lines(m); got != before || m.State().Changes != 0 || m.State().Swaps != 1 {
			t.Errorf("%s: the new file gives %q, want %q, %+v", c.kind, got, before, m.State())
		}
	}
}

func TestWhatIsSetIsCheckedAsTheFileIs(t *testing.T) {
	t.Parallel()
	m := of(t, names, "")
	for _, c := range [][2]string{{"", "x"}, {"a b", "x"}, {"#a", "x"}, {"a..b", "x"}, {"a", ""}, {"a", "{x}"}, {"a", "x\ny z"}} {
		if err := m.Set(c[0], c[1]); err == nil {
			t.Errorf("%q %q was set", c[0], c[1])
		}
	}
	if m.State().Keys != 0 {
		t.Errorf("%+v", m.State())
	}
}

func TestChangesHaveABound(t *testing.T) {
	t.Parallel()
	for _, k := range []kind{exact, addresses} {
		m := of(t, k, "10.0.0.0 x\n10.0.0.1 x")
		key := func(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) }
		r, isRanges := m.table.Load().table.(*ranges)
		for i := range maxChanges {
			if isRanges && i > 10 {
				r.other[netip.MustParsePrefix(key(i+2)+"/32")] = true // as if it had been
			} else if err := m.Set(key(i+2), "y"); err != nil {
				t.Fatal(err)
			}
		}
		for what, err := range map[string]error{"a new key": m.Set("11.0.0.1", "y"), "a key of the file": m.Delete(key(1))} {
			if err == nil || !strings.Contains(err.Error(), "65536 keys have been changed since the file was read") {
				t.Errorf("%s: changing %s: %v", k, what, err)
			}
		}
		if err := m.Set(key(5), "z"); err != nil || lookUp(m, key(5)) != "z" {
			t.Errorf("%s: changing a changed one: %v", k, err)
		}
	}
}

// logs keeps what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

func TestTheFileIsFollowedAndABrokenVersionIsSaidOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := of(t, names, "a 1")
		var said logs
		ctx, cancel := context.WithCancel(host.WithLog(t.Context(), slog.New(slog.NewTextHandler(&said, nil))))
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		<-m.Begun()
		for _, step := range []struct {
			text, value, log string
			swaps, failures  uint64
		}{
			{"a 2", "2", "map replaced", 1, 0},
			{"a", "2", "map not read, what was read before stays", 1, 1},
			{"a 3\nb 4", "3", "map replaced", 2, 1},
		} {
			put(t, m.file, step.text)
			time.Sleep(4 * watch.Longest)
			if got, text := lookUp(m, "a"), said.take(); got != step.value || strings.Count(text, step.log) != 1 {
				t.Errorf("%q: %s, logged %s", step.text, got, text)
			}
			if s := m.State(); s.Swaps != step.swaps || s.Failures != step.failures || (s.Error != "") != (step.text == "a") {
				t.Errorf("%q: %+v", step.text, s)
			}
		}
		if m.Since() == 0 {
			t.Error("the map does not serve")
		}
		cancel()
		if err := <-done; err != nil || m.Since() != 0 {
			t.Errorf("afterwards: %v, since %d", err, m.Since())
		}
	})
}

// Connections look up while an operator changes keys and the file is swapped.
func TestLookupsGoOnWhileTheMapChanges(t *testing.T) {
	t.Parallel()
	for _, k := range []kind{names, prefixes, addresses} {
		m := of(t, k, "10.0.0.1 same\n10.0.0.2 other")
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for range 2000 {
					if got := lookUp(m, "10.0.0.1"); got != "same" {
						t.Errorf("%s: %s", k, got)
						return
					}
					m.State()
				}
			})
		}
		for i := range 200 {
			key := fmt.Sprintf("10.0.1.%d", i)
			if m.Set(key, "x") != nil || m.Delete(key) != nil {
				t.Errorf("%s: changing %s failed", k, key)
			}
			if i%50 == 0 {
				put(t, m.file, fmt.Sprintf("10.0.0.1 same\n10.0.3.%d x", i))
				m.look(slog.New(slog.DiscardHandler))
			}
		}
		wait.Wait()
	}
}

func TestALookupAllocatesNothing(t *testing.T) {
	for _, c := range []struct {
		kind            kind
		text, hit, miss string
	}{
		{names, "a.example.com 1\n*.example.org 2", "X.example.org", "b.example.com"},
		{exact, "alice 1", "alice", "bob"},
		{prefixes, "/ 1\n/api/v2 1", "/index", "nothing"},
		{addresses, "10.0.0.0/8 1", "10.2.3.4", "192.0.2.1:443"},
	} {
		m := of(t, c.kind, c.text)
		for _, changed := range []bool{false, true} {
			if n := testing.AllocsPerRun(100, func() { m.Find(c.hit); m.Find(c.miss) }); n > 0 {
				t.Errorf("%s, changed %v: %v allocations", c.kind, changed, n)
			}
			if err := m.Set("10.9.9.9", "x"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// FuzzParse reads any file in every kind: what is read shows the same again, and every key
// leads to its value.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "a.example.com 10.0.0.1:443\n*.example.com x # y\n", "10.0.0.0/8 a\n10.1.2.3 b\n::1 c", "/api x\n/ y\n", "a b c\r\n#\n\t",
		"a 1\na 2\n", "\xef\xbb\xbfa b", "a\x00 b", "x {y}\n", strings.Repeat("k", 255) + " v", "*. x\n* y\n", "private_ranges x", "{env.X} y",
	} {
		for k := range kindNames() {
			f.Add(text, uint8(k))
		}
	}
	f.Fuzz(func(t *testing.T, text string, number uint8) {
		k := kind(number % uint8(len(kindNames())))
		first, err := parse("f", strings.NewReader(text), k, len(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for key, value := range first.all() {
			fmt.Fprintf(&again, "%s %s\n", key, value)
		}
		second, err := parse("f", strings.NewReader(again.String()), k, again.Len())
		if err != nil || second.size() != first.size() {
			t.Fatalf("%q shows %q, which gives %v", text, again.String(), err)
		}
		for key, value := range first.all() {
			if k == addresses {
				key, _, _ = strings.Cut(key, "/")
			}
			got, ok := second.find(key)
			if k == names && strings.HasPrefix(key, "*") {
				got, ok = second.find("0" + key[1:])
			}
			if !ok || k != addresses && k != names && !bytes.Equal(got, value) {
				t.Errorf("%q: %q leads to %q, want %q", text, key, got, value)
			}
		}
	})
}

var _ sdk.FactReader = (*Matcher)(nil)
