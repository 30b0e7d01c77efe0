package session

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/sdk"
)

// Every reason of a relay is one of a connection, and what a relay is killed for comes back.
func TestTheReasonOfARelayIsThatOfItsConnection(t *testing.T) {
	t.Parallel()
	for r, want := range map[relay.Reason]host.Why{
		relay.Finished: host.Closed, relay.Reset: host.Reset, relay.Broken: host.Failed, relay.Idle: host.Idle,
		relay.HalfClosed: host.HalfClosed, relay.Expired: host.Lifetime, relay.Drained: host.Drained,
		relay.Unhealthy: host.Unhealthy, relay.Killed: host.Killed, relay.FirstFree: host.Failed,
	} {
		if got := relayWhy(r); got != want {
			t.Errorf("%v is %v, want %v", r, got, want)
		}
	}
	for w, want := range map[host.Why]relay.Reason{
		host.Drained: relay.Drained, host.Unhealthy: relay.Unhealthy, host.Killed: relay.Killed, host.Cap: relay.Killed,
	} {
		if got := relayReason(w); got != want {
			t.Errorf("%v kills with %v, want %v", w, got, want)
		}
	}
}

func TestAKillCountsUnlessTheRelayHasFinished(t *testing.T) {
	t.Parallel()
	at, cause := time.Unix(9, 0), errors.New("cause")
	for name, tc := range map[string]struct {
		kill   func(*Session)
		result relay.Result
		want   host.Code
	}{
		"nobody kills":         {func(*Session) {}, relay.Result{By: relay.Up, Reason: relay.Reset}, host.Code{By: host.ByUpstream, In: host.InRelay, Why: host.Reset}},
		"a sick upstream":      {func(s *Session) { s.Unhealthy() }, relay.Result{By: relay.Down, Reason: relay.Broken}, host.Code{By: host.ByUpstream, In: host.InRelay, Why: host.Unhealthy}},
		"an operator":          {func(s *Session) { s.Kill(host.ByOperator, host.Killed) }, relay.Result{Reason: relay.Killed}, host.Code{By: host.ByOperator, In: host.InRelay, Why: host.Killed}},
		"it finished before":   {func(s *Session) { s.Unhealthy() }, relay.Result{By: relay.Down, Reason: relay.Finished}, host.Code{By: host.ByClient, In: host.InRelay, Why: host.Closed}},
		"the first one counts": {func(s *Session) { s.Kill(host.ByProxy, host.Cap); s.Unhealthy() }, relay.Result{Reason: relay.Killed}, host.Code{By: host.ByProxy, In: host.InRelay, Why: host.Cap}},
	} {
		var s Session
		s.Init(&Env{Heads: new(Heads)}, nil, &Begin{ID: 1})
		s.header.Store(10)
		tc.kill(&s)
		tc.result.Up, tc.result.Down, tc.result.Err = 15, 7, cause
		got := s.relayOutcome(tc.result, at)
		if got.Code != tc.want || got.Up != 5 || got.Down != 7 || !got.Ended.Equal(at) || !errors.Is(got.Err, cause) {
			t.Errorf("%s: %+v, want %v", name, got, tc.want)
		}
	}
}

// The bytes of a header count for nobody, not even where less than the header was sent.
func TestBytesFromTheClientAreThoseWithoutTheHeader(t *testing.T) {
	t.Parallel()
	var s Session
	s.Init(&Env{Heads: new(Heads)}, nil, &Begin{ID: 1})
	if up, down := s.Counts(); up != 0 || down != 0 {
		t.Errorf("before a relay %d and %d bytes are counted", up, down)
	}
	s.header.Store(10)
	for sent, want := range map[int64]int64{0: 0, 9: 0, 10: 0, 11: 1, 100: 90} {
		if got := s.fromClient(sent); got != want {
			t.Errorf("of %d bytes %d are the client's, want %d", sent, got, want)
		}
	}
}

func TestEveryFactOfAConnectionHasItsValue(t *testing.T) {
	t.Parallel()
	f := sdk.Flow{
		Network: "tcp", Listener: ":443", MaxHead: 9,
		Local: netip.MustParseAddrPort("192.0.2.2:443"), Remote: netip.MustParseAddrPort("[2001:db8::1]:1234"),
	}
	var s Session
	env := &Env{Heads: new(Heads), Getenv: func(name string) string { return "<" + name + ">" }}
	s.Init(env, nil, &Begin{ID: 1234, Flow: f})
	got := map[string]string{}
	for _, name := range []string{
		"conn.local_addr", "conn.local_ip", "conn.local_port", "conn.remote_addr", "conn.remote_ip", "conn.remote_port",
		"conn.listener", "conn.network", "conn.id", "conn.local_x", "conn.nothing", "env.HOME", "env.", "other.x",
	} {
		if v, ok := s.Get(name); ok {
			got[name] = v
		}
	}
	want := map[string]string{
		"conn.local_addr": "192.0.2.2:443", "conn.local_ip": "192.0.2.2", "conn.local_port": "443",
		"conn.remote_addr": "[2001:db8::1]:1234", "conn.remote_ip": "2001:db8::1", "conn.remote_port": "1234",
		"conn.listener": ":443", "conn.network": "tcp", "conn.id": "1234", "env.HOME": "<HOME>", "env.": "<>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var unix Session
	unix.Init(&Env{Heads: new(Heads)}, nil, &Begin{ID: 1, Flow: sdk.Flow{Network: "unix"}})
	for _, name := range []string{"conn.local_addr", "conn.remote_ip", "conn.remote_port", "env.HOME"} {
		if v, ok := unix.Get(name); ok {
			t.Errorf("on a Unix socket without an environment %s is %q", name, v)
		}
	}
}
