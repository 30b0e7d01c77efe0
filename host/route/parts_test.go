package route

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

func TestAnUndecidedVerdictIsMadeLawful(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v         sdk.Verdict
		have, max int
		want      sdk.Verdict
	}{
		{sdk.Yes, 3, 8, sdk.Yes},
		{sdk.No, 3, 8, sdk.No},
		{sdk.Unknown, 3, 8, sdk.Unknown},
		{sdk.Need(3), 3, 8, sdk.Need(4)},
		{sdk.Need(4), 3, 8, sdk.Need(4)},
		{sdk.Need(8), 3, 8, sdk.Need(8)},
		{sdk.Need(9), 3, 8, sdk.Unknown},
		{sdk.Need(9), 3, 0, sdk.Need(9)}, // nobody says how long a head may be
	} {
		if got := lawful(c.v, &sdk.Flow{Head: make([]byte, c.have), MaxHead: c.max}); got != c.want {
			t.Errorf("%v with %d of %d: %v, want %v", c.v, c.have, c.max, got, c.want)
		}
	}
}

// fails is a matcher that is broken.
type fails struct{}

var errBroken = errors.New("broken")

func (fails) Match(*sdk.Flow) (sdk.Verdict, error) { return sdk.No, errBroken }

// How a connection ends that a deny turns away: by us, and why.
func TestADenialSaysWhatItKnows(t *testing.T) {
	t.Parallel()
	undecided := func(text string) string { return "proxy undecided " + text }
	for _, c := range []struct {
		matcher sdk.Matcher
		final   error
		want    string
	}{
		{constant(sdk.Yes), nil, "proxy denied"},
		{constant(sdk.Yes), os.ErrDeadlineExceeded, "proxy denied"},
		{constant(sdk.Unknown), nil, undecided("could not be told from m0")},
		{constant(sdk.Unknown), os.ErrDeadlineExceeded, undecided("could not be told from m0: i/o timeout")},
		{constant(sdk.Need(5)), os.ErrDeadlineExceeded, undecided("could not be told from m0: i/o timeout")},
		{fails{}, nil, undecided("could not be told: matching m0: broken")},
		{constant(sdk.No), os.ErrDeadlineExceeded, "no route"},
	} {
		l := listOf(c.matcher)
		l.Routes[0].TurnAway("deny reset", true)
		l.index()
		f := &sdk.Flow{MaxHead: 8, Head: []byte("a")}
		p := (&Routes{list: l}).Begin(nil)
		p.Final = c.final
		var facts Facts
		r, need, err := p.Try(f, &facts)
		got := "no route"
		var end *host.EndError
		if errors.As(err, &end) {
			got = strings.TrimSpace(fmt.Sprintf("%v %v %v", end.By, end.Why, map[bool]any{true: "", false: end.Err}[end.Err == nil]))
		}
		if got != c.want || need != 0 || (r != nil) != (err != nil) || !l.Routes[0].Resets() {
			t.Errorf("%v, %v: %s (route %v, need %d), want %s", c.matcher, c.final, got, r, need, c.want)
		}
		if c.matcher == (fails{}) && !errors.Is(err, errBroken) {
			t.Errorf("its cause is lost: %v", err)
		}
	}
}

// hears is a matcher that says what it looked at.
type hears struct{ constant }

func (hears) Explain(f *sdk.Flow) string { return fmt.Sprintf("%d bytes", len(f.Head)) }

// wants matches a head that begins with its byte twice.
type wants byte

func (w wants) Match(f *sdk.Flow) (sdk.Verdict, error) {
	for i := range 2 {
		switch {
		case i == len(f.Head):
			return sdk.Need(i + 1), nil
		case f.Head[i] != byte(w):
			return sdk.No, nil
		}
	}
	return sdk.Yes, nil
}

// reads is a matcher of a fact.
type reads struct{ name string }

func (r reads) Reads() []string { return []string{r.name, "no.fact"} }
func (r reads) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if v, _ := f.Get(r.name); v == "x" {
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

func TestEveryMatcherOfARouteIsExplained(t *testing.T) {
	t.Parallel()
	names := earlier{"out.fact": "value"}
	l := listOf(wants('a'), wants('b'), hears{constant(sdk.No)}, fails{}, reads{"out.fact"}, talker{func(f *sdk.Flow) { f.Set("key", []byte("v 1")) }, sdk.Yes}, constant(sdk.No))
	for i := range l.Instances {
		l.Instances[i].Name = fmt.Sprint("n", i)
	}
	l.Instances[4].Reads = true
	l.Instances[5].Name, l.Instances[6].Name = "protocol", "protocol" // without its conditions, and with them
	l.Instances[5].Keys = []string{"key"}
	l.Seen = []int{5}
	x := (&Routes{list: l}).Explain(&sdk.Flow{MaxHead: 8, Head: []byte("ab")}, names, true)
	no, yes := sdk.Answer{Verdict: sdk.No}, sdk.Answer{Verdict: sdk.Yes}
	want := []MemberView{
		{Text: "m0", Name: "n0", Answer: no},
		{Text: "m1", Name: "n1", Answer: no},
		{Text: "m2", Name: "n2", Answer: no, Why: "2 bytes"},
		{Text: "m3", Name: "n3", Answer: sdk.Answer{Err: &MatchError{"m3", errBroken}}},
		{Text: "m4", Name: "n4", Answer: no, Why: `{out.fact} is value, {no.fact} is not there`},
		{Text: "m5", Name: "protocol", Answer: yes, Why: `{protocol.key} is "v 1"`},
		{Text: "m6", Name: "protocol", Answer: no, Why: `{protocol.key} is "v 1"`},
	}
	var got []MemberView
	var at []int
	for i := range x.Routes {
		got = append(got, x.Routes[i].Members...)
		at = append(at, x.Routes[i].Members[0].DecidedAt())
		if x.Routes[i].Number != i+1 {
			t.Errorf("route %d has number %d", i, x.Routes[i].Number)
		}
	}
	sameText := cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(MemberView{}), sameText); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{2, 1, 0, 0, 0, 0, 0}, at); diff != "" {
		t.Errorf("decided at (-want +got):\n%s", diff)
	}
	if !errors.Is(x.Err, errBroken) || x.Picked != -1 || x.Route != nil {
		t.Errorf("picked %d, %v", x.Picked, x.Err)
	}
}

// earlier is the facts of an earlier phase.
type earlier map[string]string

func (e earlier) Get(name string) (string, bool) { v, ok := e[name]; return v, ok }
func (earlier) Set(string, []byte)               {}

func TestAMatcherReadsWhatItsSuppliersAndEarlierPhasesSay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outer   sdk.Facts
		sources []int
		inner   []string
		want    string
	}{
		"of an earlier phase":                      {earlier{"m.key": "outer"}, nil, nil, "outer"},
		"of a supplier":                            {earlier{"m.key": "outer"}, []int{0}, []string{"m.key"}, "own"},
		"of a supplier that has not set it":        {earlier{"m.key": "outer"}, []int{1}, []string{"m.key"}, "absent"},
		"of a matcher that it does not read from":  {nil, []int{1}, nil, "absent"},
		"of nobody, where there is no other phase": {nil, nil, nil, "absent"},
	} {
		got := "absent"
		l := listOf(
			talker{func(f *sdk.Flow) { f.Set("key", []byte("own")) }, sdk.Yes},
			talker{func(f *sdk.Flow) { f.Set("other", []byte("else")) }, sdk.Yes},
			talker{func(f *sdk.Flow) {
				if v, ok := f.Get("m.key"); ok {
					got = v
				}
			}, sdk.Yes},
		)
		l.Routes = []Route{{Cond: Cond{Op: All, Kids: []Cond{{Op: Leaf, Inst: 0}, {Op: Leaf, Inst: 1}, {Op: Leaf, Inst: 2}}}}}
		for i := range l.Instances {
			l.Instances[i].Keys = []string{"key", "other"}
		}
		l.Instances[2].Sources, l.Instances[2].Inner = c.sources, c.inner
		l.index()
		rs := &Routes{list: l}
		f := &sdk.Flow{MaxHead: 8}
		m := rs.NewMemo(f, c.outer)
		if _, _, err := rs.Pick(f, m, true); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
		rs.Forget(f, m)
	}
}

func TestAFactBelongsToWhomItsNamesSay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys, sets []string
		key, of    string
	}{
		{[]string{"a"}, []string{"x.a"}, "a", "m"}, // what the description names is its own
		{nil, []string{"regexp.host.1"}, "host.1", "regexp"},
		{nil, []string{"regexp.host.1"}, "1", "regexp.host"},
		{nil, []string{"regexp.host.1"}, "ost.1", "m"},
		{nil, []string{"regexp.host.1"}, "regexp.host.1", "m"},
		{nil, []string{"regexp.host.1"}, "x.regexp.host.1", "m"},
		{nil, []string{"regexp.host.1"}, "2", "m"},
		{nil, []string{".k"}, "k", "m"},
		{nil, []string{"x.k"}, "k", "x"},
		{nil, []string{"xk"}, "k", "m"},
		{nil, []string{"x.*"}, "any", "x"},
		{nil, []string{"a.b.*"}, "any", "a.b"},
		{nil, []string{".*"}, "any", "m"},
		{nil, []string{"other.one", "x.*"}, "two", "x"},
		{nil, nil, "k", "m"},
	} {
		in := Instance{Name: "m", Keys: c.keys, Sets: c.sets}
		if got := in.of(c.key); got != c.of {
			t.Errorf("%s of %v: of %s, want %s", c.key, c.sets, got, c.of)
		}
		full := c.of + "." + c.key
		for name, want := range map[string]bool{
			full: true, full + "x": false, "x" + full: false, c.of + c.key: false, c.of + "-" + c.key: false, c.of + ".": false, "": false,
		} {
			if got := in.owns(name, c.key); got != (want || name == c.key && in.Alias(c.key)) {
				t.Errorf("%s of %v owns %q: %v", c.key, c.sets, name, got)
			}
		}
	}
}

func TestFactsOfOthersAreTakenOverOnce(t *testing.T) {
	t.Parallel()
	filled := func() *Facts {
		var fs Facts
		for i, key := range []string{"a", "b", "a", "c", "d"} {
			fs.PutString("x", key, fmt.Sprint(key, i, "long"))
		}
		return &fs
	}
	text := func(fs *Facts) (s string) {
		for name, value := range fs.All() {
			s += name + "=" + value + " "
		}
		return strings.TrimSpace(s)
	}
	for _, c := range []struct {
		count, size int
		want        string
	}{
		{0, 9, ""},
		{1, 9, "x.d=d4long"},
		{2, 2, "x.c=c3 x.d=d4"},
		{3, 6, "x.a=a2long x.c=c3long x.d=d4long"},
		{4, 0, "x.b= x.a= x.c= x.d="},
		{9, 7, "x.b=b1long x.a=a2long x.c=c3long x.d=d4long"},
	} {
		var fs Facts
		if fs.AddLatest(filled(), c.count, c.size); text(&fs) != c.want {
			t.Errorf("%d of %d bytes: %s, want %s", c.count, c.size, text(&fs), c.want)
		}
	}
	var fs Facts
	fs.PutString("x", "b", "mine")
	fs.PutString("y", "a", "mine")
	if fs.Add(filled()); text(&fs) != "x.b=mine y.a=mine x.a=a2long x.c=c3long x.d=d4long" {
		t.Errorf("%s", text(&fs))
	}
}

// beginning is a Keyed matcher with a first byte.
type beginning struct {
	line
	first byte
}

func (s beginning) First() *[4]uint64 { return late{s.first}.First() }

// What too few routes have in common costs a question and saves none: those are told by
// their first byte together with others.
func TestFewRoutesAreToldByTheirFirstByte(t *testing.T) {
	t.Parallel()
	groups := func(ms ...sdk.Matcher) (all []string) {
		for _, g := range listOf(ms...).groups {
			all = append(all, fmt.Sprintf("%T of %d", g.finder, len(g.routes)))
		}
		return all
	}
	key := func() sdk.Matcher { return beginning{line{[]string{"x"}}, 'a'} }
	for _, c := range []struct {
		ms   []sdk.Matcher
		want []string
	}{
		{[]sdk.Matcher{key(), key()}, []string{"<nil> of 2"}},
		{[]sdk.Matcher{key(), key(), late{'a'}}, []string{"*route.startFinder of 3"}},
		{[]sdk.Matcher{key(), key(), key(), late{'a'}}, []string{"*route.nameFinder of 3", "<nil> of 1"}},
		{[]sdk.Matcher{late{'a'}, late{'a'}, late{'b'}, late{'a'}, constant(sdk.No)}, []string{"*route.startFinder of 3", "<nil> of 2"}},
	} {
		if diff := cmp.Diff(c.want, groups(c.ms...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.ms, diff)
		}
	}
	var many []sdk.Matcher
	for i := range 40 { // more groups than a walk looks at
		for range 3 {
			many = append(many, late{byte(i)})
		}
	}
	if all := groups(many...); len(all) != maxGroups || all[len(all)-1] != fmt.Sprintf("<nil> of %d", 3*(40-maxGroups+1)) {
		t.Errorf("%v", all)
	}
}

func TestATrailIsBoundedAndCountsTheRest(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][2]int{MaxAsked - 1: {MaxAsked - 1, 0}, MaxAsked: {MaxAsked, 0}, MaxAsked + 2: {MaxAsked, 2}} {
		var ms []sdk.Matcher
		for range n - 1 {
			ms = append(ms, constant(sdk.No))
		}
		rs := &Routes{list: listOf(append([]sdk.Matcher{fails{}}, ms...)...)}
		rs.list.Routes = append(rs.list.Routes[1:], rs.list.Routes[0]) // the broken one is asked last, where there is room
		rs.list.index()
		var trail Trail
		for range 2 { // used again
			trail.Reset()
			p := rs.Begin(nil)
			p.Trail = &trail
			var facts Facts
			if _, _, err := p.Try(&sdk.Flow{MaxHead: 8}, &facts); err != nil && !errors.Is(err, errBroken) {
				t.Error(err)
			}
			if len(trail.Asked) != want[0] || trail.More != want[1] {
				t.Errorf("of %d: %d and %d more", n, len(trail.Asked), trail.More)
			}
		}
		if n == MaxAsked {
			last := trail.Asked[n-1]
			if last.Answer.Err == nil || errors.Is(last.Answer.Err, errBroken) || last.Answer.Err.Error() != "matching m0: broken" {
				t.Errorf("the error of a matcher is kept as %#v", last.Answer.Err)
			}
		}
	}
}

func TestTextIsIndentedLineByLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "\n": "", "a": "  a\n", "a\nb\n": "  a\n  b\n", "a\n\nb": "  a\n  \n  b\n"} {
		if got := Indent(text, "  "); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// A matcher that says No decides for its set: nobody behind it is asked, whoever else wants
// more bytes.
func TestAfterANoNobodyElseOfItsSetIsAsked(t *testing.T) {
	t.Parallel()
	var asked [3][]int
	l := listOf(
		scripted{map[int]sdk.Verdict{0: sdk.Need(4)}, &asked[0], nil},
		scripted{map[int]sdk.Verdict{0: sdk.No}, &asked[1], nil},
		scripted{map[int]sdk.Verdict{0: sdk.Yes}, &asked[2], nil},
	)
	l.Routes = []Route{{Cond: Cond{Op: All, Kids: []Cond{{Op: Leaf, Inst: 0}, {Op: Leaf, Inst: 1}, {Op: Leaf, Inst: 2}}}}}
	l.index()
	if got := feed(l, "abc"); got != "none after 0" {
		t.Errorf("picked %s", got)
	}
	if diff := cmp.Diff([3][]int{{0}, {0}, nil}, asked); diff != "" {
		t.Errorf("asked at (-want +got):\n%s", diff)
	}
}

// The first matcher that could not tell is named, not one that could.
func TestADenialNamesTheMatcherThatCouldNotTell(t *testing.T) {
	t.Parallel()
	l := listOf(constant(sdk.Yes), constant(sdk.Unknown), constant(sdk.Unknown))
	l.Routes = []Route{{Cond: Cond{Op: All, Kids: []Cond{{Op: Leaf, Inst: 0}, {Op: Leaf, Inst: 1}, {Op: Leaf, Inst: 2}}}}}
	l.Routes[0].TurnAway("deny", false)
	l.index()
	p := (&Routes{list: l}).Begin(nil)
	var facts Facts
	_, _, err := p.Try(&sdk.Flow{MaxHead: 8}, &facts)
	var end *host.EndError
	if !errors.As(err, &end) || end.Err.Error() != "could not be told from m1" {
		t.Errorf("%v", err)
	}
}

// What was read on the way to no route is shown where anything was there to read.
func TestWhatWasReadOnTheWayToNoRouteIsShown(t *testing.T) {
	t.Parallel()
	for head, want := range map[string][]FactView{"": nil, "x": {{"m.a", "1"}, {"m.b", "2"}}} {
		l := listOf(constant(sdk.No), talker{func(f *sdk.Flow) { f.Set("b", []byte("2")); f.Set("a", []byte("1")) }, sdk.Yes})
		l.Routes, l.Seen = l.Routes[:1], []int{1}
		l.Instances[1].Keys = []string{"a", "b"}
		l.index()
		x := (&Routes{list: l}).Explain(&sdk.Flow{MaxHead: 8, Head: []byte(head)}, nil, true)
		if diff := cmp.Diff(want, x.Seen); diff != "" {
			t.Errorf("%q (-want +got):\n%s", head, diff)
		}
	}
}
