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
	return a == f.Local || s.env.Own != nil && s.env.Own(a)
}

// Set records a variable, {vars.key}. With Get it makes Session the [sdk.Facts] of
// its flow.
func (s *Session) Set(key string, value []byte) { s.Facts().Put("vars", key, value) }

// Get implements [host.View].
func (s *Session) Get(name string) (string, bool) { return s.get(s.Flow(), name) }

// get returns a fact. Those of conn.* are of the flow f, which Wrap may have made.
func (s *Session) get(f *sdk.Flow, name string) (string, bool) {
	if v, ok := s.Facts().Get(name); ok {
		return v, true
	}
	of, key, _ := strings.Cut(name, ".")
	switch of {
	case "conn":
		return host.ConnFact(f, s.id, key)
	case "env":
		if s.env.Getenv == nil {
			return "", false
		}
		return s.env.Getenv(key), true
	}
	return "", false
}
