package route

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dwaar.dev/dwaar/sdk"
)

// explained is what an explanation says of the end.
func explained(x *Explanation) chosen {
	var c chosen
	if me, ok := errors.AsType[*MatchError](x.Err); ok {
		c.Err = me.Matcher
	}
	if x.Picked >= 0 {
		c.Route = x.Routes[x.Picked].Name
	}
	c.Denied = how(x.Denied)
	for _, f := range x.Facts {
		c.Facts = append(c.Facts, f.Name+"="+f.Value)
	}
	return c
}

func TestAnExplanationSaysWhatHappens(t *testing.T) {
	t.Parallel()
	head := []byte("abcdef")
	for i := range 5000 {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		l := randomList(r)
		s := &Routes{list: l}
		n := r.IntN(headLength + 1)
		f := &sdk.Flow{MaxHead: headLength, Head: head[:n:n]}
		x := s.Explain(f, nil, false)
		if x.Need > 0 && x.Need <= n {
			t.Fatalf("list %d: it needs %d bytes and has %d", i, x.Need, n)
		}
		if want := judge(l, n); x.Need == 0 && !cmp.Equal(want, explained(&x)) {
			t.Fatalf("list %d, %d bytes (-want +got):\n%s", i, n, cmp.Diff(want, explained(&x)))
		}
		final := s.Explain(f, nil, true)
		end, err := choose(l, head, []int{n})
		if err != nil || !cmp.Equal(end, explained(&final)) {
			t.Fatalf("list %d, the end after %d bytes: %v (-want +got):\n%s", i, n, err, cmp.Diff(end, explained(&final)))
		}
		for at, v := range x.Routes {
			if at == x.Picked && v.Answer.Verdict != sdk.Yes && !v.Deny {
				t.Fatalf("list %d: the route that is picked says %v", i, v.Answer)
			}
			if at < x.Picked && !v.Answer.Decided() {
				t.Fatalf("list %d: a route before the one that is picked says %v", i, v.Answer)
			}
		}
	}
}

func TestAnExplanationShowsNegatedMembersToo(t *testing.T) {
	t.Parallel()
	yes := sdk.Answer{Verdict: sdk.Yes}
	l := &List{Instances: []Instance{{Name: "a", Text: "a", Matcher: oracle{value: yes}}, {Name: "b", Text: "b", Matcher: oracle{}}}}
	l.Routes = []Route{{Cond: Cond{Op: All, Kids: []Cond{{Op: Leaf}, {Op: Not, Kids: []Cond{{Op: Leaf, Inst: 1}}}}}}}
	l.index()
	x := (&Routes{list: l}).Explain(&sdk.Flow{}, nil, false)
	want := []MemberView{{Text: "a", Name: "a", Answer: yes}, {Text: "b", Name: "b", Answer: sdk.Answer{Verdict: sdk.No}}}
	if diff := cmp.Diff(want, x.Routes[0].Members, cmpopts.IgnoreUnexported(MemberView{})); diff != "" || x.Picked != 0 {
		t.Errorf("picked %d (-want +got):\n%s", x.Picked, diff)
	}
}
