package sdk

import (
	"net/netip"
	"time"
)

// Flow is a connection as its matchers see it. It belongs to the caller and is
// valid during the call only: keep no part of it.
type Flow struct {
	Head   []byte // the first bytes seen, not consumed; datagrams one after the other
	Bounds []int  // where each datagram in Head ends; nil for streams

	Network       string         // "tcp", "udp" or "unix"
	Local, Remote netip.AddrPort // unmapped and without zone; the zero value on Unix sockets
	Accepted      time.Time      // the only clock a matcher has
	Listener      string         // the address as configured, ":443"
	MaxHead       int            // Head never grows beyond this many bytes

	// Set when TLS was terminated by an earlier handler: lower case, without a
	// final dot; empty when the client sent none.
	ServerName, ALPN        string
	TLSVersion, CipherSuite uint16

	Proxied bool // the addresses come from a PROXY protocol header

	facts  Facts
	parsed []slot
	fuel   int64
}

// Facts is where a connection keeps what is known of it. The engine supplies it;
// a Flow without one has no facts and forgets those it is given.
type Facts interface {
	Get(name string) (string, bool)
	Set(key string, value []byte)
}

// Bind makes Get and Set use facts, which may be nil, and returns what they used
// before.
func (f *Flow) Bind(facts Facts) (before Facts) {
	before, f.facts = f.facts, facts
	return before
}

// Get returns a fact that was complete before this matching phase began, or a
// variable, by its full name: "tls.server_name", "vars.tenant". It may allocate.
func (f *Flow) Get(name string) (string, bool) {
	if f.facts == nil {
		return "", false
	}
	return f.facts.Get(name)
}

// Set records a fact that the bytes carry. The value is copied. It counts only if
// this call of Match returns Yes; its full name is the matcher's name in the
// configuration, a dot, and key.
func (f *Flow) Set(key string, value []byte) {
	if f.facts != nil {
		f.facts.Set(key, value)
	}
}

// Spend adds to what plugins took of the connection so far, in units of fuel. Whoever
// runs them calls it; a matcher has no use for it.
func (f *Flow) Spend(fuel int64) { f.fuel += fuel }

// Spent returns what plugins took of the connection, in units of fuel. It goes on where
// a handler makes new bytes of those it had.
func (f *Flow) Spent() int64 { return f.fuel }

// Reset makes f ready for another connection, or for new bytes of the same one.
// It keeps the memory of parsed values and forgets their content.
func (f *Flow) Reset() {
	for i := range f.parsed {
		f.parsed[i].at = stale
	}
	*f = Flow{parsed: f.parsed}
}

// Become makes f the flow of another connection, which to describes. Of f nothing is
// left but the memory of its parsed values, of to everything but those.
func (f *Flow) Become(to Flow) {
	parsed := f.parsed
	for i := range parsed {
		parsed[i].at = stale
	}
	*f = to
	f.parsed = parsed
}

// Fresh returns what is known of the connection without its bytes, for the bytes
// that a handler makes of them. It shares no memory with f.
func (f *Flow) Fresh() Flow {
	fresh := *f
	fresh.Head, fresh.Bounds, fresh.facts, fresh.parsed = nil, nil, nil, nil
	return fresh
}

// Rehead replaces the bytes: the head was consumed in part, or the connection now
// carries others. Every parsed value begins anew.
func (f *Flow) Rehead(head []byte) {
	f.Head, f.Bounds = head, nil
	for i := range f.parsed {
		f.parsed[i].at = stale
	}
}

type slot struct {
	value any   // a *T
	at    int64 // how much of the head value reflects, or stale
}

const stale = -1

// A Resetter clears itself for another connection and keeps its memory.
type Resetter interface{ Reset() }

// Parse returns the connection's one T, brought up to date with Head by whoever
// asks first. Ten matchers that look at one ClientHello parse it once.
//
// fill is called when Head has grown since the last call. It finds in *T what it
// left there for a shorter head of the same connection, or a zero T (after Reset,
// if *T is a [Resetter]), and must arrive at the same value whatever steps the
// head grew in. Head may move between calls: T keeps offsets or copies, never
// slices of it. T belongs to one package, so that no other fill claims it.
func Parse[T any](f *Flow, fill func(*Flow, *T)) *T {
	now := int64(len(f.Head)) | int64(len(f.Bounds))<<32
	for i := range f.parsed {
		s := &f.parsed[i]
		t, ok := s.value.(*T)
		if !ok {
			continue
		}
		if s.at == now {
			return t
		}
		if s.at == stale {
			reset(t)
		}
		s.at = now
		fill(f, t)
		return t
	}
	t := new(T)
	f.parsed = append(f.parsed, slot{t, now})
	fill(f, t)
	return t
}

func reset[T any](t *T) {
	if r, ok := any(t).(Resetter); ok {
		r.Reset()
		return
	}
	var zero T
	*t = zero
}
