package route

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

// talker sets facts and answers.
type talker struct {
	say    func(f *sdk.Flow)
	answer sdk.Verdict
}

func (k talker) Match(f *sdk.Flow) (sdk.Verdict, error) {
	k.say(f)
	return k.answer, nil
}

// remembered returns the facts that a list leaves behind, by key.
func remembered(l *List) map[string]string {
	rs := &Routes{list: l}
	f := &sdk.Flow{MaxHead: 8}
	m := rs.NewMemo(f, nil)
	defer rs.Forget(f, m)
	rs.Pick(f, m, true)
	facts := map[string]string{}
	for i := range m.facts.Len() {
		k := m.facts.key(i)
		facts[fmt.Sprint(k.inst, k.key)] = string(m.facts.value(i))
	}
	return facts
}

func TestALaterValueOfAFactNeverTouchesItsNeighbours(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		say  []string // key=value
		want string   // of a, at the end
	}{
		"as long":  {[]string{"a=one", "b=two", "a=six"}, "six"},
		"longer":   {[]string{"a=one", "b=two", "a=eleven"}, "eleven"},
		"shorter":  {[]string{"a=eleven", "b=two", "a=one"}, "one"},
		"an empty": {[]string{"a=", "b=two", "a=one"}, "one"},
	} {
		l := listOf(talker{func(f *sdk.Flow) {
			for _, s := range tc.say {
				key, value, _ := strings.Cut(s, "=")
				f.Set(key, []byte(value))
			}
		}, sdk.Yes})
		l.Instances[0].Keys, l.Routes[0].winners = []string{"a", "b"}, []int{0}
		rs := &Routes{list: l}
		f := &sdk.Flow{MaxHead: 8}
		m := rs.NewMemo(f, nil)
		r, _, _ := rs.Pick(f, m, true)
		if r == nil {
			t.Fatal("no route")
		}
		var facts Facts
		r.Facts(m, facts.Put)
		for key, want := range map[string]string{"m.a": tc.want, "m.b": "two"} {
			if got, _ := facts.Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", name, key, got, want)
			}
		}
		rs.Forget(f, m)
	}
}

// Matchers that do not match can set facts as well: those use nothing up.
func TestFactsOfThoseThatDoNotMatchTakeNoRoom(t *testing.T) {
	t.Parallel()
	big := []byte(strings.Repeat("x", MaxFactBytes/4))
	var ms []sdk.Matcher
	for range 10 {
		ms = append(ms, talker{func(f *sdk.Flow) { f.Set("big", big) }, sdk.No})
	}
	for range 10 {
		ms = append(ms, talker{func(f *sdk.Flow) {
			for i := range MaxFacts / 2 {
				f.Set(fmt.Sprint(i), nil)
			}
		}, sdk.Unknown})
	}
	ms = append(ms, talker{func(f *sdk.Flow) { f.Set("big", big) }, sdk.Yes})
	got := remembered(listOf(ms...))
	if diff := cmp.Diff(map[string]string{"20big": string(big)}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatMatchersHaveRememberedIsBounded(t *testing.T) {
	t.Parallel()
	count := remembered(listOf(talker{func(f *sdk.Flow) {
		for i := range 2 * MaxFacts {
			f.Set(fmt.Sprint(i), []byte("v"))
		}
	}, sdk.Yes}))
	if len(count) != MaxFacts {
		t.Errorf("%d facts are kept, want %d", len(count), MaxFacts)
	}
	sizes := remembered(listOf(talker{func(f *sdk.Flow) {
		f.Set("all", make([]byte, MaxFactBytes))
		f.Set("more", []byte("x"))
	}, sdk.Yes}))
	if len(sizes) != 1 || len(sizes["0all"]) != MaxFactBytes {
		t.Errorf("%d facts are kept, the first of %d bytes", len(sizes), len(sizes["0all"]))
	}
	if one := remembered(listOf(talker{func(f *sdk.Flow) { f.Set("all", make([]byte, MaxFactBytes+1)) }, sdk.Yes})); len(one) != 0 {
		t.Error("a fact that is too long is kept")
	}
}

// A memo is used again by other connections: none of them sees what was there before.
func TestAMemoThatIsUsedAgainKnowsNothing(t *testing.T) {
	t.Parallel()
	var asked int
	l := listOf(talker{func(f *sdk.Flow) { asked++; f.Set("is", f.Head) }, sdk.Yes})
	rs := &Routes{list: l}
	for i, head := range []string{"first", "second", "third"} {
		f := &sdk.Flow{MaxHead: 8, Head: []byte(head)}
		m := rs.NewMemo(f, nil)
		rs.Pick(f, m, true)
		if m.facts.Len() != 1 || string(m.facts.value(0)) != head || asked != i+1 {
			t.Errorf("%s: %d facts, %q, asked %d times", head, m.facts.Len(), m.facts.bytes, asked)
		}
		rs.Forget(f, m)
	}
	// The number of a use comes again after 2³² of them.
	f := &sdk.Flow{MaxHead: 8, Head: []byte("x")}
	m := rs.NewMemo(f, nil)
	rs.Pick(f, m, true)
	m.phase = 1<<32 - 1
	m.entries[0].phase = 1
	m.reset(rs, nil)
	rs.Pick(f, m, true)
	if asked != 5 {
		t.Errorf("asked %d times, want 5: an answer of long ago counts", asked)
	}
}
