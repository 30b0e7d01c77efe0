package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
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

// randomRuns returns a list of routes with runs of like matchers, not yet indexed.
func randomRuns(r *rand.Rand) *List {
	l := &List{}
	for i := range 3 + r.IntN(12) {
		var m sdk.Matcher
		switch {
		case r.IntN(12) == 0:
			m = prefix.Matcher("a")
		case i/5%2 == 0:
			k := line{}
			for range 1 + r.IntN(2) {
				k.names = append(k.names, randomName(r))
			}
			m = k
		default:
			w := within{}
			for range 1 + r.IntN(3) {
				w.prefixes = append(w.prefixes, randomPrefix(r))
			}
			m = w
		}
		l.Instances = append(l.Instances, Instance{Name: "m", Text: fmt.Sprint("m", i), Matcher: m})
		l.Routes = append(l.Routes, Route{Name: fmt.Sprint("@", i), Cond: Cond{Op: Leaf, Inst: i}, winners: []int{i}})
	}
	return l
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
			log = append(log, fmt.Sprint(need > 0, err))
			continue
		}
		if r == nil {
			return append(log, "none")
		}
		r.Facts(m, func(of, key string, value []byte) bool {
			log = append(log, fmt.Sprintf("%s.%s=%s", of, key, value))
			return true
		})
		return append(log, r.Name)
	}
	return append(log, "undecided at the end")
}

func TestALookupChoosesWhatTheRoutesInOrderWould(t *testing.T) {
	t.Parallel()
	heads := []string{"a.b\n", "b\n", "a.b.c\n", "c.c\n", "!", "a?", "", "a.", ".a\n"}
	runs := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 3))
		indexed := randomRuns(r)
		plain := &List{Routes: indexed.Routes, Instances: indexed.Instances}
		for i := range plain.Routes {
			plain.steps = append(plain.steps, step{begin: i, end: i + 1})
		}
		indexed.index()
		if len(indexed.steps) < len(plain.steps) {
			runs++
		}
		f := sdk.Flow{MaxHead: 8}
		if r.IntN(6) > 0 {
			f.Remote = netip.AddrPortFrom(randomPrefix(r).Addr(), 1)
		}
		for _, head := range heads {
			from := r.IntN(len(plain.Routes))
			got, want := pickAll(indexed, f, head, from), pickAll(plain, f, head, from)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d, head %q, from %d: picked %v, want %v", seed, head, from, got, want)
			}
		}
	}
	if runs < 1000 {
		t.Errorf("only %d of the lists had a run to look up", runs)
	}
}
