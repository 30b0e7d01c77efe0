package route

import (
	"testing"

	"dwaar.dev/dwaar/sdk"
)

// late is a matcher of heads that begin with its byte.
type late struct{ first byte }

func (l late) First() *[4]uint64 {
	var set [4]uint64
	set[l.first>>6] |= 1 << (l.first & 63)
	return &set
}

func (l late) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if len(f.Head) == 0 {
		return sdk.Need(1), nil
	}
	if f.Head[0] == l.first {
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// Of many matchers a memo has room for those that are asked, wherever they stand.
func TestATrailHasTheAnswersOfMatchersFarDownTheList(t *testing.T) {
	t.Parallel()
	var ms []sdk.Matcher
	for range 250 {
		ms = append(ms, late{'a'}) // their first byte rules them out before they are asked
	}
	ms = append(ms, late{'b'})
	rs := &Routes{list: listOf(ms...)}
	var trail Trail
	var facts Facts
	f := &sdk.Flow{MaxHead: 8, Head: []byte("b")}
	p := rs.Begin(nil)
	p.Trail = &trail
	r, need, err := p.Try(f, &facts)
	if r == nil || r.Name != "@250" || need != 0 || err != nil {
		t.Fatalf("picked %v, need %d, %v", r, need, err)
	}
	for _, a := range trail.Asked {
		if (a.Matcher == "m250") != (a.Answer.Verdict == sdk.Yes) {
			t.Errorf("%s said %v", a.Matcher, a.Answer)
		}
	}
	if len(trail.Asked) == 0 {
		t.Error("nobody was asked")
	}
}
