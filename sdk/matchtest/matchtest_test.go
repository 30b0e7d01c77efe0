package matchtest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// frames matches "~", a length byte from 1 to 100, and a name of that length: a
// protocol invented for these tests, with room for every fault.
type frames struct{ names []string }

// frame is the parsed form. It keeps a copy: the name in lower case.
type frame struct {
	verdict sdk.Verdict
	name    [100]byte
	len     int
}

func (fr *frame) fill(head []byte) {
	switch {
	case len(head) == 0:
		fr.verdict = sdk.Need(1)
	case head[0] != '~':
		fr.verdict = sdk.No
	case len(head) == 1:
		fr.verdict = sdk.Need(2)
	case head[1] == 0 || head[1] > 100:
		fr.verdict = sdk.No
	case len(head) < 2+int(head[1]):
		fr.verdict = sdk.Need(2 + int(head[1]))
	default:
		fr.verdict = sdk.Yes
		fr.len = int(head[1])
		for i, b := range head[2 : 2+fr.len] {
			if b >= 'A' && b <= 'Z' {
				b += 'a' - 'A'
			}
			fr.name[i] = b
		}
	}
}

type byName struct{}

func (byName) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	fr := sdk.Parse(f, func(f *sdk.Flow, fr *frame) { fr.fill(f.Head) })
	return fr.name[:fr.len], fr.verdict
}

func (m frames) Keys() (by sdk.Selector, names []string) { return byName{}, m.names }

func (frames) First() *[4]uint64 {
	var set [4]uint64
	set['~'>>6] |= 1 << ('~' & 63)
	return &set
}

func (m frames) Match(f *sdk.Flow) (sdk.Verdict, error) {
	key, v := byName{}.Key(f)
	if v <= 0 {
		return v, nil
	}
	for _, name := range m.names {
		suffix, wild := strings.CutPrefix(name, "*")
		n := len(key) - len(suffix)
		if string(key) == name || wild && n > 0 && string(key[n:]) == suffix && !strings.Contains(string(key[:n]), ".") {
			f.Set("name", key)
			return sdk.Yes, nil
		}
	}
	return sdk.No, nil
}

func sampleFrames() (sdk.Matcher, [][]byte) {
	return frames{[]string{"mail.example.org", "*.example.com"}}, [][]byte{
		[]byte("~\x10mail.Example.orgEHLO and more"),
		[]byte("~\x0fWWW.example.com~\x01x"),
		[]byte("~\x11a.b.c.example.com"),
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		[]byte("~\x00"),
		{},
	}
}

func TestAMatcherThatObeysTheLawsPasses(t *testing.T) {
	t.Parallel()
	m, heads := sampleFrames()
	matchtest.Laws(t, m, matchtest.TCP(), heads...)
	matchtest.Datagrams(t, datagrams{}, matchtest.UDP(), [][]byte{[]byte("~hello"), {}, []byte("again")}, [][]byte{{}}, [][]byte{})
	matchtest.Laws(t, datagrams{}, matchtest.UDP(), []byte("~hello"), []byte("hello"))
}

func TestAMatcherThatObeysTheLawsAllocatesNothing(t *testing.T) {
	m, heads := sampleFrames()
	matchtest.Allocs(t, m, matchtest.TCP(), heads[:3]...)
	matchtest.Allocs(t, datagrams{}, matchtest.UDP(), []byte("~hello"))
}

// datagrams takes sessions whose second datagram is empty.
type datagrams struct{}

func (datagrams) Match(f *sdk.Flow) (sdk.Verdict, error) {
	switch {
	case len(f.Bounds) == 0:
		return sdk.Need(1), nil
	case f.Bounds[0] == 0 || f.Head[0] != '~':
		return sdk.No, nil
	case len(f.Bounds) == 1:
		return sdk.Need(len(f.Head) + 1), nil
	case f.Bounds[1] == f.Bounds[0]:
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// TestEveryPlantedFaultIsFound tests the tests.
func TestEveryPlantedFaultIsFound(t *testing.T) {
	t.Parallel()
	for _, mutant := range matchtest.Mutants() {
		t.Run(mutant.Fault, func(t *testing.T) {
			t.Parallel()
			m, heads := sampleFrames()
			err := matchtest.Broken(t, mutant.Plant(m), matchtest.TCP(), heads...)
			if err == nil {
				t.Fatal("the laws do not find it")
			}
			t.Log(err)
		})
	}
}

func TestTheListOfFaultsIsLongEnough(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range matchtest.Mutants() {
		if seen[m.Fault] {
			t.Errorf("%q is there twice", m.Fault)
		}
		seen[m.Fault] = true
	}
	if len(seen) < 20 {
		t.Errorf("%d faults, want 20 or more", len(seen))
	}
}

func TestAskKeepsTheFactsOfTheFlow(t *testing.T) {
	t.Parallel()
	m, heads := sampleFrames()
	f := matchtest.TCP()
	f.Bind(known{"vars.tenant": "blue"})
	f.Head = heads[0]
	got := matchtest.Ask(m, &f)
	want := matchtest.Result{Answer: sdk.Answer{Verdict: sdk.Yes}, Facts: map[string]string{"name": "mail.example.org"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Ask (-want +got):\n%s", diff)
	}
	if v, ok := f.Get("vars.tenant"); v != "blue" || !ok {
		t.Errorf("Get after Ask = %q, %v", v, ok)
	}
	if got, want := got.String(), `yes name="mail.example.org"`; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
}

type known map[string]string

func (k known) Get(name string) (string, bool) { v, ok := k[name]; return v, ok }
func (k known) Set(string, []byte)             {}

func FuzzFrames(f *testing.F) {
	m, heads := sampleFrames()
	matchtest.Fuzz(f, heads, m)
}

func FuzzDatagramSessions(f *testing.F) {
	matchtest.FuzzDatagrams(f, [][][]byte{{[]byte("~hello"), {}, []byte("again")}, {{}}}, datagrams{})
}
