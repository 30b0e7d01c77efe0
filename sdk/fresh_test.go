package sdk_test

import (
	"net/netip"
	"testing"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// A handler that makes new bytes of a connection's, as tls does, hands on a Fresh flow:
// one matcher outside and inside must not see the outer bytes again.
func TestWhatIsParsedOutsideIsParsedAnewInside(t *testing.T) {
	t.Parallel()
	outer := sdk.Flow{
		Head: []byte("a\nb\n"), Bounds: []int{2, 4}, Network: "tcp", Listener: ":1", MaxHead: 9, Proxied: true,
		Remote: netip.MustParseAddrPort("192.0.2.1:1"), Local: netip.MustParseAddrPort("192.0.2.2:2"), Accepted: time.Unix(1, 0),
	}
	outer.Bind(facts{})
	outer.Spend(7)
	before := sdk.Parse(&outer, countLines)
	inner := outer.Fresh()
	if inner.Head != nil || inner.Bounds != nil {
		t.Errorf("the new bytes begin with %q, %v", inner.Head, inner.Bounds)
	}
	if _, known := inner.Get("any"); known {
		t.Error("it has the facts before somebody bound them")
	}
	inner.Head = []byte("a\nb\n") // as many as outside
	after := sdk.Parse(&inner, countLines)
	if after == before || after.fills != 1 || before.fills != 1 {
		t.Errorf("outside and inside share what was parsed: %+v, %+v", before, after)
	}
	inner.Head = []byte("a\n")
	if sdk.Parse(&outer, countLines).fills != 1 {
		t.Error("what is asked inside changes what is known outside")
	}
	if inner.Remote != outer.Remote || inner.Local != outer.Local || inner.Network != "tcp" || inner.Listener != ":1" ||
		inner.MaxHead != 9 || !inner.Proxied || !inner.Accepted.Equal(outer.Accepted) || inner.Spent() != 7 {
		t.Errorf("what is known of the connection is not what it was: %+v", inner)
	}
}

// facts knows everything.
type facts struct{}

func (facts) Get(name string) (string, bool) { return name, true }
func (facts) Set(string, []byte)             {}
