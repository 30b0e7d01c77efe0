package engine

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/session"
)

// The limits of the facts in one access line: their values come from clients.
const (
	maxLoggedFacts = 16
	maxLoggedValue = 128 // bytes
)

// writeAccess writes the access line of a connection, unless the rate is exceeded.
func (e *Engine) writeAccess(x *conn, o host.Outcome) {
	ctx, level := context.Background(), accessLevel(o)
	if !e.access.Enabled(ctx, level) {
		return
	}
	var suppressed uint64
	if level <= slog.LevelInfo {
		var ok bool
		if suppressed, ok = x.socket.sampler.take(o.Ended, e.accessRate); !ok {
			e.count.suppressed.Add(1)
			return
		}
	}
	attrs := x.accessAttrs(o)
	if suppressed > 0 {
		attrs = append(attrs, slog.Uint64(keySuppressed, suppressed))
	}
	e.access.LogAttrs(ctx, level, "connection", attrs...)
}

// accessLevel returns Debug for a client that went away without a byte, or before it was
// a client of the protocol that a handler speaks, Info for what clients and
// upstreams do, Warn for what this program could not do, Error for its defects.
func accessLevel(o host.Outcome) slog.Level {
	switch {
	case o.Silent, o.Code.Why == host.Probe:
		return slog.LevelDebug
	case o.Code.Why == host.Panicked:
		return slog.LevelError
	case o.Code.By == host.ByProxy && (o.Code.Why == host.Failed || o.Code.Why == host.NoAddress):
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (x *conn) accessAttrs(o host.Outcome) []slog.Attr {
	r := x.Record()
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs,
		slog.Uint64(keyConnection, x.ID()),
		slog.String(keyListener, x.listener),
		slog.Uint64(keyGeneration, x.generation.number),
		slog.String(keyCode, x.e.codes[o.Code.Index()]),
	)
	client, proxied := x.client()
	if client.IsValid() {
		attrs = append(attrs, slog.String(keyClient, client.String()))
	}
	if proxied && x.peer.IsValid() {
		attrs = append(attrs, slog.String(keyPeer, x.peer.Addr().String()))
	}
	attrs = appendText(attrs, keyRoute, x.Route())
	attrs = appendText(attrs, keyUpstream, x.Upstream())
	if r.Tries > 1 {
		attrs = append(attrs, slog.Int(keyTries, int(r.Tries)))
	}
	attrs = append(attrs, slog.Int64(keyBytesUp, o.Up), slog.Int64(keyBytesDown, o.Down))
	attrs = append(attrs, x.times(r, o.Ended)...)
	if r.Fuel > 0 {
		attrs = append(attrs, slog.Int64(keyFuel, r.Fuel))
	}
	if facts := factAttrs(x.Facts().All()); len(facts) > 0 {
		attrs = append(attrs, slog.GroupAttrs(keyFacts, facts...))
	}
	if o.Err != nil {
		attrs = append(attrs, slog.String(keyError, o.Err.Error()))
	}
	return attrs
}

func appendText(attrs []slog.Attr, key, text string) []slog.Attr {
	if text == "" {
		return attrs
	}
	return append(attrs, slog.String(key, text))
}

// times returns how long each phase took that the connection has completed.
func (x *conn) times(r *session.Record, ended time.Time) []slog.Attr {
	var attrs []slog.Attr
	if r.Matched > 0 {
		attrs = append(attrs, slog.Duration(keyMatching, r.Matched))
	}
	if r.Connected > 0 && r.Matched > 0 {
		attrs = append(attrs, slog.Duration(keyConnect, r.Connected-r.Matched))
	}
	return append(attrs, slog.Duration(keyTotal, ended.Sub(x.Accepted())))
}

// factAttrs returns the latest facts, which are those of inner matching phases. Long
// values are cut.
func factAttrs(facts iter.Seq2[string, string]) []slog.Attr {
	var attrs []slog.Attr
	for name, value := range facts {
		if len(value) > maxLoggedValue {
			value = value[:maxLoggedValue] + "…"
		}
		attrs = append(attrs, slog.String(name, value))
	}
	if extra := len(attrs) - maxLoggedFacts; extra > 0 {
		attrs = attrs[extra:]
	}
	return attrs
}

// sampler lets a number of lines a second through, and every hundredth of the others.
type sampler struct {
	mu         sync.Mutex
	second     int64 // Unix time of the second that lines counts
	lines      int
	suppressed uint64 // lines that were not written since the last one that was
}

// oneIn is the share of lines beyond the rate that are written all the same.
const oneIn = 100

// take reports whether a line may be written, and how many before it were not.
func (s *sampler) take(now time.Time, rate int) (suppressed uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Unix(); second != s.second {
		s.second, s.lines = second, 0
	}
	s.lines++
	if s.lines > rate && (s.lines-rate)%oneIn != 0 {
		s.suppressed++
		return 0, false
	}
	suppressed, s.suppressed = s.suppressed, 0
	return suppressed, true
}

// rest returns how many lines were suppressed since the last one that was written.
func (s *sampler) rest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.suppressed
	s.suppressed = 0
	return n
}
