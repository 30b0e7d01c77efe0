package route

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

// of is a Ranged matcher of a side.
type of struct {
	side sdk.Side
	p    netip.Prefix
}

func (o of) Prefixes() (sdk.Side, []netip.Prefix) { return o.side, []netip.Prefix{o.p} }
func (o of) Match(f *sdk.Flow) (sdk.Verdict, error) {
	a := f.Remote.Addr()
	if o.side == sdk.Local {
		a = f.Local.Addr()
	}
	switch {
	case !a.IsValid():
		return sdk.Unknown, nil
	case o.p.Contains(a):
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// Ranges of either side are one lookup, from three routes on, wherever they stand.
func TestAGroupOfRangesLooksAtItsOwnSide(t *testing.T) {
	t.Parallel()
	var ms []sdk.Matcher
	sides := []sdk.Side{sdk.Local, sdk.Local, sdk.Local, sdk.Remote, sdk.Remote, sdk.Remote, sdk.Remote, sdk.Local, sdk.Local}
	for i, side := range sides {
		ms = append(ms, of{side, netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", i))})
	}
	l := listOf(ms...)
	var groups []string
	for _, g := range l.groups {
		groups = append(groups, fmt.Sprintf("%v %T", g.routes, g.finder))
	}
	if diff := cmp.Diff([]string{"[0 1 2 7 8] *route.rangeFinder", "[3 4 5 6] *route.rangeFinder"}, groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	rs := &Routes{list: l}
	at := func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 7}), 1) }
	for i, side := range sides {
		f := &sdk.Flow{MaxHead: 8, Remote: at(99), Local: at(99)}
		if side == sdk.Local {
			f.Local = at(i)
		} else {
			f.Remote = at(i)
		}
		m := rs.NewMemo(f, nil)
		r, _, err := rs.Pick(f, m, false)
		if err != nil || r != &l.Routes[i] {
			t.Errorf("route %d: %v, %v", i, r, err)
		}
		rs.Forget(f, m)
	}
	f := &sdk.Flow{MaxHead: 8, Local: at(1)} // the client is of a Unix socket
	m := rs.NewMemo(f, nil)
	if r, _, _ := rs.Pick(f, m, false); r != &l.Routes[1] {
		t.Errorf("with one address only: %v", r)
	}
	rs.Forget(f, m)
}

// Only routes of a list of their own have a deadline of their own, and those that a chain
// continues with have not.
func TestARestOfRoutesHasTheDeadlineOfTheWhole(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		own  bool
		from int
		want bool
	}{{false, 0, false}, {false, 1, false}, {true, 0, true}, {true, 1, false}, {true, 2, false}} {
		rs := &Routes{list: &List{Own: tc.own, Timeout: time.Second}, from: tc.from}
		if d, own := rs.Limits(); own != tc.want || d != time.Second {
			t.Errorf("%+v: %v, %v", tc, d, own)
		}
	}
}
