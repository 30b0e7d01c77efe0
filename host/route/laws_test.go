package route

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

// oracle is a lawful matcher: its answer is decided at a length, and before that
// it asks for more in honest steps.
type oracle struct {
	at    int // the length that decides
	value sdk.Answer
	asks  []int // at length n it needs asks[n] bytes, n < asks[n] ≤ at
}

func (o oracle) Match(f *sdk.Flow) (sdk.Verdict, error) {
	n := len(f.Head)
	if n < o.at || o.value.Verdict != sdk.Yes {
		f.Set("early", []byte("must not be seen"))
	}
	if n >= o.at {
		if o.value.Err == nil && o.value.Verdict == sdk.Yes {
			f.Set("at", []byte(strconv.Itoa(o.at)))
		}
		return o.value.Verdict, o.value.Err
	}
	return sdk.Need(o.asks[n]), nil
}

var errOracle = errors.New("broken")

const headLength = 6 // of every case; steps are single bytes, so that all orders of decision occur

func randomOracle(r *rand.Rand) oracle {
	values := [...]sdk.Answer{{Verdict: sdk.No}, {Verdict: sdk.Yes}, {Verdict: sdk.Yes}, {Verdict: sdk.Unknown}, {Err: errOracle}}
	o := oracle{at: r.IntN(headLength + 2), value: values[r.IntN(len(values))]}
	for n := range o.at {
		o.asks = append(o.asks, n+1+r.IntN(o.at-n))
	}
	return o
}

func randomCond(r *rand.Rand, instances, depth int) Cond {
	switch k := r.IntN(6); {
	case depth == 0 || k < 3:
		return Cond{Op: Leaf, Inst: r.IntN(instances)}
	case k == 3:
		return Cond{Op: Not, Kids: []Cond{randomCond(r, instances, depth-1)}}
	}
	c := Cond{Op: All}
	for range 1 + r.IntN(3) {
		c.Kids = append(c.Kids, randomCond(r, instances, depth-1))
	}
	return c
}

func randomList(r *rand.Rand) *List {
	l := &List{}
	for i := range 1 + r.IntN(5) {
		o := randomOracle(r)
		l.Instances = append(l.Instances, Instance{Name: "m" + strconv.Itoa(i), Text: "m" + strconv.Itoa(i), Matcher: o})
	}
	for i := range 1 + r.IntN(4) {
		rt := Route{Name: "@" + strconv.Itoa(i), Cond: randomCond(r, len(l.Instances), 2)}
		switch r.IntN(8) {
		case 0:
			rt.Cond = Cond{}
		case 1, 2:
			rt.deny = &denial{matched: errMatched}
		}
		rt.winners = rt.Cond.Winners()
		l.Routes = append(l.Routes, rt)
	}
	l.index()
	return l
}

// chosen is what a list of routes makes of a head that arrives in steps.
type chosen struct {
	Route, Err string
	Denied     string // "matched" or "undecided"
	Facts      []string
}

// how returns how the deny that has been picked denies.
func how(denied error) string {
	switch {
	case denied == nil:
		return ""
	case errors.Is(denied, errMatched):
		return "matched"
	}
	return "undecided"
}

var errMatched = errors.New("matched")

// choose is the loop of a matching phase without its socket. lengths are those of
// the head after each read; behind the last one nothing comes.
func choose(l *List, head []byte, lengths []int) (chosen, error) {
	rs := &Routes{list: l}
	f := &sdk.Flow{MaxHead: headLength}
	m := rs.NewMemo(f, nil)
	defer rs.Forget(f, m)
	for i := 0; ; i++ {
		final := i == len(lengths)
		if !final {
			f.Head = head[:lengths[i]:lengths[i]]
		}
		r, need, err := rs.Pick(f, m, final)
		switch {
		case err != nil:
			var me *MatchError
			errors.As(err, &me)
			return chosen{Err: me.Matcher}, nil
		case r != nil:
			var why error
			if final {
				why = errNoMore
			}
			c := chosen{Route: r.Name, Denied: how(r.denied(f, m, why))}
			r.Facts(m, func(of, key string, value []byte) bool {
				c.Facts = append(c.Facts, of+"."+key+"="+string(value))
				return true
			})
			return c, nil
		case need == 0:
			return chosen{}, nil
		case final:
			return chosen{}, fmt.Errorf("asks for %d bytes when none will come", need)
		case need <= len(f.Head):
			return chosen{}, fmt.Errorf("asks for %d bytes and has %d", need, len(f.Head))
		}
	}
}

// judge is the law written down a second time, without memo or steps: the value
// of every leaf for the whole head, the tables of law 6, and the order of routes,
// evaluated at each length until one decides.
func judge(l *List, length int) chosen {
	for n := 0; n <= length; n++ {
		if c, decided := judgeAt(l, n, false); decided {
			return c
		}
	}
	c, _ := judgeAt(l, length, true)
	return c
}

func judgeAt(l *List, n int, final bool) (chosen, bool) {
	for i := range l.Routes {
		r := &l.Routes[i]
		v := judgeCond(l, &r.Cond, n, final)
		if r.deny != nil && (v.kind == 'u' || v.kind == 'e') {
			return chosen{Route: r.Name, Denied: "undecided", Facts: judgeFacts(l, r, n, final)}, true
		}
		switch v.kind {
		case 'y':
			c := chosen{Route: r.Name, Facts: judgeFacts(l, r, n, final)}
			if r.deny != nil {
				c.Denied = "matched"
			}
			return c, true
		case 'e':
			return chosen{Err: v.by}, true
		case '?':
			return chosen{}, false
		}
	}
	return chosen{}, true
}

// judgeFacts returns the facts of the members of a route that say yes.
func judgeFacts(l *List, r *Route, n int, final bool) []string {
	var facts []string
	for _, inst := range r.winners {
		if judgeLeaf(l, inst, n, final).kind == 'y' {
			o := l.Instances[inst].Matcher.(oracle)
			facts = append(facts, l.Instances[inst].Name+".at="+strconv.Itoa(o.at))
		}
	}
	return facts
}

type value struct {
	kind byte   // y, n, u, e, or ? for more bytes
	by   string // e: whose error
}

func judgeCond(l *List, c *Cond, n int, final bool) value {
	switch c.Op {
	case Leaf:
		return judgeLeaf(l, c.Inst, n, final)
	case Not:
		v := judgeCond(l, &c.Kids[0], n, final)
		switch v.kind {
		case 'y':
			v.kind = 'n'
		case 'n':
			v.kind = 'y'
		}
		return v
	case All:
		first := map[byte]value{}
		for i := range c.Kids {
			v := judgeCond(l, &c.Kids[i], n, final)
			if _, ok := first[v.kind]; !ok {
				first[v.kind] = v
			}
		}
		for _, kind := range []byte("n?eu") {
			if v, ok := first[kind]; ok {
				return v
			}
		}
	}
	return value{kind: 'y'}
}

func judgeLeaf(l *List, inst, n int, final bool) value {
	o := l.Instances[inst].Matcher.(oracle)
	switch {
	case n < o.at && (final || o.at > headLength && needsBeyond(o, n)):
		return value{kind: 'u'}
	case n < o.at:
		return value{kind: '?'}
	case o.value.Err != nil:
		return value{kind: 'e', by: l.Instances[inst].Name}
	}
	return value{kind: map[sdk.Verdict]byte{sdk.Yes: 'y', sdk.No: 'n', sdk.Unknown: 'u'}[o.value.Verdict]}
}

// needsBeyond reports whether an oracle, asked at every length, has asked for more
// than a head can hold.
func needsBeyond(o oracle, n int) bool {
	for i := 0; i <= n && i < len(o.asks); i++ {
		if o.asks[i] > headLength {
			return true
		}
	}
	return false
}

func randomLengths(r *rand.Rand, length int) []int {
	lengths := []int{0}
	for n := 0; n < length; {
		n += 1 + r.IntN(length-n)
		lengths = append(lengths, n)
	}
	return lengths
}

// The number of cases is 200,000; LAWS_CASES=50000000 was run before a release.
func TestRoutesDoNotDependOnHowBytesArrive(t *testing.T) {
	t.Parallel()
	cases := 200_000
	if s := os.Getenv("LAWS_CASES"); s != "" {
		cases, _ = strconv.Atoi(s)
	}
	head := []byte("abcdef")
	const perList = 10
	for i := range cases / perList {
		r := rand.New(rand.NewPCG(uint64(i), 42))
		l := randomList(r)
		for range perList {
			length := r.IntN(headLength + 1)
			checkCase(t, l, head, randomLengths(r, length), length)
		}
	}
}

func checkCase(t *testing.T, l *List, head []byte, lengths []int, length int) {
	t.Helper()
	want := judge(l, length)
	got, err := choose(l, head, lengths)
	if err != nil {
		t.Fatal(err)
	}
	if got.Route == want.Route && got.Err == want.Err && got.Denied == want.Denied && len(got.Facts) == len(want.Facts) && cmp.Equal(got, want) {
		return
	}
	t.Fatalf("head of %d bytes in steps %v (-want +got):\n%s", length, lengths, cmp.Diff(want, got))
}

func FuzzRoutes(f *testing.F) {
	f.Add(uint64(1), []byte{1, 2, 3})
	f.Add(uint64(7), []byte{6})
	f.Fuzz(func(t *testing.T, seed uint64, cuts []byte) {
		l := randomList(rand.New(rand.NewPCG(seed, 1)))
		lengths, n := []int{0}, 0
		for _, c := range cuts {
			if n += int(c % 4); n > headLength {
				break
			}
			lengths = append(lengths, n)
		}
		last := lengths[len(lengths)-1]
		checkCase(t, l, []byte("abcdef"), lengths, last)
	})
}
