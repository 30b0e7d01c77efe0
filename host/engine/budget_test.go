package engine

import (
	"net/netip"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine/internal/crowd"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/session"
)

// admitted returns a connection that is counted in and relayed, without sockets.
func admitted(t *testing.T, e *Engine, caps *caps, from string) *conn {
	t.Helper()
	x := &conn{e: e, peer: netip.MustParseAddrPort(from), account: &account{
		caps: caps, socket: newSocket(nil), generation: &generation{}, env: e.environment(e.log),
	}}
	if why, ok := e.admit(x, time.Now()); !ok {
		t.Fatalf("%s is refused by %v", from, why)
	}
	x.Init(&x.env, x, &session.Begin{ID: e.ids.Add(1)})
	caps.ledger.Decide(&x.place)
	e.whole.Decide(&x.place)
	return x
}

// killed ends x, if nobody has yet, and returns the code.
func killed(x *conn) string {
	var before, after Stats
	x.e.table.sum(&before)
	x.Kill(host.ByOperator, host.Killed)
	x.Step(session.Input{Event: session.Began})
	x.Step(session.Input{Event: session.Closed})
	x.e.table.sum(&after)
	for i := range after.Ended {
		if after.Ended[i] > before.Ended[i] {
			return host.CodeAt(i).String()
		}
	}
	return ""
}

func TestDescriptorsBeyondTwoOfAConnectionCountAgainstTheBudgetAndItsCrowd(t *testing.T) {
	t.Parallel()
	e := New(Options{})
	e.whole.Limit(crowd.Conns, 20)
	caps := newCaps()
	caps.set(graph.Limits{}, crowd.DefaultLevels(), 20)
	x := admitted(t, e, caps, "192.0.2.1:1")
	if !x.Spend(3) || e.whole.Total(crowd.Conns) != 3 || caps.ledger.Total(crowd.Conns) != 1 {
		t.Errorf("3 descriptors more make %d connections of the program, %d of the server",
			e.whole.Total(crowd.Conns), caps.ledger.Total(crowd.Conns))
	}
	if x.Spend(-3); e.whole.Total(crowd.Conns) != 1 {
		t.Errorf("they were given back, and %d are counted", e.whole.Total(crowd.Conns))
	}
	if x.Spend(39) || e.whole.Total(crowd.Conns) != 1 {
		t.Error("one connection got more than there is, and nobody else was there to give way")
	}
	if !x.Spend(38) {
		t.Error("one connection did not get what nobody else uses")
	}
	other := admitted(t, e, caps, "198.51.100.7:1")
	if !other.Spend(2) {
		t.Error("a crowd with one connection did not get what one with all of them holds")
	}
	if got := killed(x); got != "proxy.accept.evicted" {
		t.Errorf("the connection with most descriptors ended with %q", got)
	}
	if other.Spend(40) {
		t.Error("a connection got more than all there is")
	}
	killed(other)
	if n := e.whole.Total(crowd.Conns) + e.whole.Held() + e.whole.Crowds(); n != 0 {
		t.Errorf("%d are left", n)
	}
}
