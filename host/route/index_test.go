package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/internal/prefix"
	"dwaar.dev/dwaar/sdk"
)

// line is a Keyed matcher whose key is the first line of the head.
type line struct{ names []string }

type firstLine struct{}

func (firstLine) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	for i, c := range f.Head {
		switch c {
		case '\n':
			return f.Head[:i], sdk.Yes
		case '!':
			return nil, sdk.No
		case '?':
			return nil, sdk.Unknown
		}
	}
	return nil, sdk.Need(len(f.Head) + 1)
}

func (l line) Keys() (sdk.Selector, []string) { return firstLine{}, l.names }
func (l line) Match(f *sdk.Flow) (sdk.Verdict, error) {
	key, v := firstLine{}.Key(f)
	if v != sdk.Yes {
		return v, nil
	}
	for _, n := range l.names {
		_, rest, ok := strings.Cut(string(key), ".")
		if n == "*" || n == string(key) || ok && len(key) > len(rest)+1 && n == "*."+rest {
			f.Set("key", key)
			return sdk.Yes, nil
		}
	}
	return sdk.No, nil
}

// First says what line.Match refuses first.
func (line) First() *[4]uint64 {
	set := [4]uint64{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
	set['!'>>6] &^= 1 << ('!' & 63)
	return &set
}

// within is a Ranged matcher.
type within struct{ prefixes []netip.Prefix }

func (w within) Prefixes() (sdk.Side, []netip.Prefix) { return sdk.Remote, w.prefixes }
func (w within) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if !f.Remote.IsValid() {
		return sdk.Unknown, nil
	}
	for _, p := range w.prefixes {
		if p.Contains(f.Remote.Addr()) {
			return sdk.Yes, nil
		}
	}
	return sdk.No, nil
}

func randomName(r *rand.Rand) string {
	label := func() string { return string(rune('a' + r.IntN(3))) }
	switch r.IntN(8) {
	case 0:
		return "*"
	case 1, 2:
		return "*." + label()
	case 3:
		return "*." + label() + "." + label()
	case 4:
		return label()
	}
	return label() + "." + label()
}

func randomPrefix(r *rand.Rand) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), byte(r.IntN(2)), byte(r.IntN(4))}), 8+r.IntN(25)).Masked()
}

// matching is a Patterned matcher of the first line.
type matching struct{ re *regexp.Regexp }

func (m matching) Pattern() (sdk.Selector, string) { return firstLine{}, m.re.String() }
func (m matching) Match(f *sdk.Flow) (sdk.Verdict, error) {
	key, v := firstLine{}.Key(f)
	switch {
	case v != sdk.Yes:
		return v, nil
	case !m.re.Match(key):
		return sdk.No, nil
	}
	f.Set("key", key)
	return sdk.Yes, nil
}

func randomPattern(r *rand.Rand) string {
	parts := []string{"abcd", "bcd.", "(?i:AbCd)", "(ab|cd)cd", "(abcd|dcba)", "[ab]+", "x?", "(abcd)?", "(?:dcba)+", "(?:abcd){2}", ".*", `\.`, "^", "$", "(?i:koks)", "é"}
	text := ""
	for range 1 + r.IntN(3) {
		text += parts[r.IntN(len(parts))]
	}
	return text
}

// starting is an oracle that knows the bytes it can begin with.
type starting struct {
	oracle
	first *[4]uint64
}

func (s starting) First() *[4]uint64 { return s.first }
func (s starting) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if len(f.Head) > 0 && !has(s.first, f.Head[0]) {
		return sdk.No, nil
	}
	return s.oracle.Match(f)
}

func randomStarting(r *rand.Rand) starting {
	s := starting{oracle: randomOracle(r), first: &[4]uint64{}}
	for _, b := range "ab!?"[:1+r.IntN(4)] {
		s.first[b>>6] |= 1 << (b & 63)
	}
	if s.at == 0 { // before the first byte it does not know
		s.at, s.asks = 1, []int{1}
	}
	return s
}

func randomMatcher(r *rand.Rand, kind int) sdk.Matcher {
	switch kind {
	case 0:
		k := line{}
		for range 1 + r.IntN(2) {
			k.names = append(k.names, randomName(r))
		}
		return k
	case 1:
		w := within{}
		for range 1 + r.IntN(3) {
			w.prefixes = append(w.prefixes, randomPrefix(r))
		}
		return w
	case 2:
		return matching{regexp.MustCompile(randomPattern(r))}
	case 3:
		return randomStarting(r)
	}
	return prefix.Matcher("a")
}

// randomRoutes returns a list of routes with all kinds of matchers, alone and beside
// others, in runs and mixed, not yet indexed.
func randomRoutes(r *rand.Rand) *List {
	l := &List{}
	mixed := r.IntN(2) == 0
	var deny *denial
	for i := range 3 + r.IntN(20) {
		kind := i / 5 % 4
		if mixed || r.IntN(12) == 0 {
			kind = r.IntN(5)
		}
		in := Instance{Name: "m", Text: fmt.Sprint("m", i), Matcher: randomMatcher(r, kind)}
		if s, ok := in.Matcher.(sdk.Starter); ok {
			in.First = s.First()
		}
		l.Instances = append(l.Instances, in)
		c := Cond{Op: Leaf, Inst: i}
		if other := (Cond{Op: Leaf, Inst: r.IntN(i + 1)}); r.IntN(3) == 0 {
			if r.IntN(3) == 0 {
				other = Cond{Op: Not, Kids: []Cond{other}}
			}
			c = Cond{Op: All, Kids: []Cond{c, other}}
			r.Shuffle(2, func(i, j int) { c.Kids[i], c.Kids[j] = c.Kids[j], c.Kids[i] })
		}
		if r.IntN(4) == 0 { // and so are those behind it
			deny = map[bool]*denial{true: {matched: errMatched}}[r.IntN(2) == 0]
		}
		l.Routes = append(l.Routes, Route{Name: fmt.Sprint("@", i), deny: deny, Cond: c, winners: c.Winners()})
	}
	return l
}

// each puts all routes into one group without a question.
func (l *List) each() {
	g := group{}
	for i := range l.Routes {
		g.routes = append(g.routes, int32(i))
	}
	l.groups = []group{g}
	l.cursors = l.cursorsFrom(nil, 0)
}

func pickAll(l *List, f sdk.Flow, head string, from int) []string {
	rs := &Routes{list: l, from: from}
	m := rs.NewMemo(&f, nil)
	defer rs.Forget(&f, m)
	var log []string
	for n := 0; n <= len(head)+1; n++ {
		final := n > len(head)
		if !final {
			f.Head = []byte(head[:n])
		}
		r, need, err := rs.Pick(&f, m, final)
		if err != nil || need > 0 {
			log = append(log, fmt.Sprint(need, err))
			continue
		}
		if r == nil {
			return append(log, "none")
		}
		r.Facts(m, func(of, key string, value []byte) bool {
			log = append(log, fmt.Sprintf("%s.%s=%s", of, key, value))
			return true
		})
		var why error
		if final {
			why = errNoMore
		}
		return append(log, r.Name+how(r.denied(&f, m, why)))
	}
	return append(log, "undecided at the end")
}

func TestGroupsChooseWhatTheRoutesInOrderWould(t *testing.T) {
	t.Parallel()
	heads := []string{"a.b\n", "b\n", "a.b.c\n", "c.c\n", "!", "a?", "", "a.", ".a\n", "abcd\n", "abcdcd.dcba\n", "k\n", "é.koks\n", "abcdabcd\n"}
	kinds := map[string]int{}
	for seed := range uint64(6000) {
		r := rand.New(rand.NewPCG(seed, 3))
		grouped := randomRoutes(r)
		plain := &List{Routes: grouped.Routes, Instances: grouped.Instances}
		plain.each()
		grouped.index()
		for _, g := range grouped.groups {
			kinds[fmt.Sprintf("%T %v", g.finder, g.pure)]++
		}
		f := sdk.Flow{MaxHead: 12}
		if r.IntN(6) > 0 {
			f.Remote = netip.AddrPortFrom(randomPrefix(r).Addr(), 1)
		}
		for _, head := range heads {
			from := max(0, r.IntN(2*len(plain.Routes))-len(plain.Routes))
			got, want := pickAll(grouped, f, head, from), pickAll(plain, f, head, from)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d, head %q, from %d: picked %v, want %v", seed, head, from, got, want)
			}
		}
	}
	for _, kind := range []string{"*route.nameFinder true", "*route.nameFinder false", "*route.patternFinder true", "*route.patternFinder false", "*route.rangeFinder true", "*route.startFinder false", "<nil> false"} {
		if kinds[kind] < 300 {
			t.Errorf("only %d groups are a %s: %v", kinds[kind], kind, kinds)
		}
	}
}
