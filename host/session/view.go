package session

import (
	"log/slog"
	"net/netip"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// Flow implements [host.View]. A session that a relay has, or that has ended, keeps
// only the accept time.
func (s *Session) Flow() *sdk.Flow {
	if s.setup == nil {
		return &sdk.Flow{Accepted: s.accepted}
	}
	return &s.setup.flow
}

// Log implements [host.View].
func (s *Session) Log() *slog.Logger { return s.env.Log }

// Attempts implements [host.View].
func (s *Session) Attempts() *upstream.Attempts {
	if s.setup == nil {
		return new(upstream.Attempts)
	}
	return &s.setup.attempts
}

// Own implements [host.View].
func (s *Session) Own(a netip.AddrPort) bool { return s.own(s.Flow(), a) }

// own reports whether a is the address that f came in by, or another one of this
// program's listeners.
func (s *Session) own(f *sdk.Flow, a netip.AddrPort) bool {
	local := f.Local
	if f.Proxied {
		_, local = s.Ends()
	}
	return a == local || s.env.Own != nil && s.env.Own(a, near(f))
}

// near reports whether a connection may come from this machine: the kernel connects from
// the address that it connects to. A PROXY header hides that.
func near(f *sdk.Flow) bool {
	from := f.Remote.Addr()
	return !from.IsValid() || from.IsLoopback() || from == f.Local.Addr() || f.Proxied
}

// Set records a variable, {vars.key}. With Get it makes Session the [sdk.Facts] of
// its flow.
func (s *Session) Set(key string, value []byte) { s.Facts().Put("vars", key, value) }

// Get implements [host.View].
func (s *Session) Get(name string) (string, bool) { return s.get(s.Flow(), name) }

// get returns a fact. Those that every connection has are of the flow f, which Wrap may
// have made. Facts hold conn.peer_addr, which SetRemote records.
func (s *Session) get(f *sdk.Flow, name string) (string, bool) {
	if v, ok := s.Facts().Get(name); ok {
		return v, true
	}
	if key, ok := strings.CutPrefix(name, "env."); ok && s.env.Getenv != nil {
		return s.env.Getenv(key), true
	}
	return host.FlowFact(f, s.id, name)
}
