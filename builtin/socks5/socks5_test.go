package socks5_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/internal/flighttest"
	"dwaar.dev/dwaar/builtin/socks5"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// node makes a node with one line auth_methods for each list.
func node(lists ...string) *sdk.Node {
	n := &sdk.Node{Name: "socks5"}
	for i, list := range lists {
		o := sdk.Node{Name: "auth_methods"}
		for j, text := range strings.Fields(list) {
			o.Args = append(o.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: i + 2, Col: j + 2}})
		}
		n.Block = append(n.Block, o)
	}
	return n
}

func matcher(t testing.TB, lists ...string) sdk.Matcher {
	t.Helper()
	m, err := socks5.New(node(lists...))
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
	return []sdk.Matcher{matcher(t), matcher(t, "0"), matcher(t, "0 1"), matcher(t, "2", "0"), matcher(t, "0 63 64 127 128 191 192 255")}
}

func samples(t testing.TB) [][]byte {
	t.Helper()
	own := flighttest.Own(t, "socks5")
	heads := [][]byte{nil, []byte("GET / HTTP/1.1\r\n"), []byte("\x05\x28" + strings.Repeat("\x00", 40) + "behind"), []byte("\x05\x08\x00\x3f\x40\x7f\x80\xbf\xc0\xff")}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		heads = append(heads, own[name])
	}
	return heads
}

func TestRealClientsAreJudged(t *testing.T) {
	t.Parallel()
	ms := forms(t)
	want := map[string][]string{
		"curl-socks5":          {"yes", "no", "yes", "no", "no"},
		"curl-socks5-hostname": {"yes", "no", "yes", "no", "no"},
		"curl-socks5-gssapi":   {"yes", "no", "yes", "no", "no"},
		"curl-socks5-basic":    {"yes", "no", "no", "yes", "no"},
		"curl-socks5-user":     {"yes", "no", "no", "no", "no"},
		"ncat-socks5":          {"yes", "yes", "yes", "yes", "yes"},
		"ncat-socks5-user":     {"yes", "no", "no", "yes", "no"},
	}
	got := map[string][]string{}
	for name, head := range flighttest.Own(t, "socks5") {
		for _, m := range ms {
			got[name] = append(got[name], ask(m, string(head)))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to captured flights (-want +got):\n%s", diff)
	}
}

func TestGreetingsAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		methods, head, want string
	}{
		{"0 1 2", "", "need 1"},
		{"0 1 2", "\x05", "need 2"},
		{"0 1 2", "\x05\x00", "no"},
		{"0 1 2", "\x05\x02", "need 3"},
		{"0 1 2", "\x05\x02\x00", "need 4"},
		{"0 1 2", "\x05\x02\x00\x02", "yes"},
		{"0 1 2", "\x05\x02\x00\x02\x05\x01\x00", "yes"}, // what comes before the answer
		{"0 1 2", "\x05\xff\x03", "no"},
		{"0 1 2", "\x05\x02\x00\x80", "no"},
		{"255", "\x05\x01\xff", "yes"},
		{"128 64", "\x05\x02\x40\x80", "yes"},
		{"2", "\x05\x01\x00", "no"},
		{"0 1 2", "\x04", "no"},
	} {
		if got := ask(matcher(t, c.methods), c.head); got != c.want {
			t.Errorf("auth_methods %s, %q: %s, want %s", c.methods, c.head, got, c.want)
		}
	}
}

func TestEachChangedByteIsNo(t *testing.T) {
	t.Parallel()
	m := matcher(t, "0 2")
	head := flighttest.Own(t, "socks5")["ncat-socks5-user"]
	for at := range head {
		for b := range 256 {
			changed := slices.Clone(head)
			changed[at] = byte(b)
			want := "no"
			switch {
			case at == 1 && b == 1, at > 1 && (b == 0 || b == 2), b == int(head[at]):
				want = "yes"
			case at == 1 && b > 2:
				want = "need 5"
			}
			if got := ask(m, string(changed)); got != want {
				t.Errorf("%#02x at %d: %s, want %s", b, at, got, want)
			}
		}
	}
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	m := matcher(t)
	for name, head := range flighttest.Foreign(t, "socks5") {
		if got := ask(m, string(head)); got != "no" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	for _, m := range forms(t) {
		matchtest.Laws(t, m, matchtest.TCP(), samples(t)...)
	}
	matchtest.Laws(t, matcher(t), matchtest.TCP(), []byte("\x05\xff"+strings.Repeat("\x00", 255)+"behind"))
}

func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	for _, mutant := range matchtest.Mutants() {
		switch mutant.Fault {
		case "it reads the clock": // Check does not look for that
			continue
		case "it gives another list of names", "it takes *. for any number of labels", "its key is not lower case", "its selector cannot be compared",
			"it gives another pattern":
			continue // there is no key
		}
		heads := append(samples(t), []byte("\x05\x01A"))
		if matchtest.Check(mutant.Plant(matcher(t, "0 1 2 65")), matchtest.TCP(), heads...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

func TestWrongMethodsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	_, err := socks5.New(node("0 256", "x"))
	want := "2:3: auth_methods: 256 is no method: write a number from 0 to 255\n3:2: auth_methods: x is no method: write a number from 0 to 255"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	for _, m := range forms(t) {
		matchtest.Allocs(t, m, matchtest.TCP(), samples(t)...)
	}
}

func FuzzSOCKS5(f *testing.F) { matchtest.Fuzz(f, samples(f), forms(f)...) }

func BenchmarkMatch(b *testing.B) {
	m, f := matcher(b), matchtest.TCP()
	f.Head = flighttest.Own(b, "socks5")["curl-socks5-user"]
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
