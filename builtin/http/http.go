// Package http matches HTTP requests by what their first bytes say: a request line
// of HTTP/1.x with any method, or the preface of HTTP/2 without TLS and its first
// HEADERS (RFC 9112, RFC 9113, RFC 7541).
//
//	@api http {
//		host api.example.com
//		path /v1/* /v2/*
//	}
//
// A matcher answers as early as its options allow: without options or with
// protocol, when the request line or the preface is complete; with method, path,
// path_regexp and query, at the end of the request line; with host, header,
// header_regexp and protocol grpc, at the end of the header. HTTP/2 says nothing
// of the request before its first HEADERS.
//
// The facts follow from that. method and path are known to every matcher of
// HTTP/1, to one of HTTP/2 only if it has an option beside protocol. host is known
// to matchers that wait for the end of the header: "http host *" is the shortest.
//
// Verdicts: bytes that cannot begin a request are No at the first of them. What
// cannot be read without guessing (two Host lines, a header a server must refuse,
// a path with a broken encoding) is Unknown to the options that read it.
//
// Only the first request of a connection is seen. That routes; it does not guard
// the requests that follow on the same connection.
package http

import "dwaar.dev/dwaar/sdk"

// maxFact is the longest method, path or host that becomes a fact.
const maxFact = 1024

// Matcher matches connections whose first request fulfils all its options.
type Matcher struct {
	name       string // in the configuration
	conditions []condition
	wait       moment // when the last of them can answer
	methods    methods
	protocols  protocols
	hosts      *hosts
	first      [4]uint64
}

// teller is a condition that makes facts known.
type teller interface {
	tell(f *sdk.Flow, r *request)
}

// capturer is a condition whose patterns name facts.
type capturer interface{ Keys() []string }

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	r := sdk.Parse(f, fill)
	v := m.judge(f, r)
	if v == sdk.Yes {
		m.tell(f, r)
	}
	return v, nil
}

// judge asks the conditions when the last of them can answer, or when it never
// will. That keeps a client that sends byte by byte from having a pattern run on
// every byte.
func (m *Matcher) judge(f *sdk.Flow, r *request) sdk.Verdict {
	if m.excludes(f, r) {
		return sdk.No
	}
	if !r.knows(m.wait) && r.stage != bad {
		return r.pending()
	}
	all := sdk.Answer{Verdict: sdk.Yes}
	for _, c := range m.conditions {
		v := r.pending()
		if r.knows(c.after()) {
			v = c.hold(f, r)
		}
		all = all.And(sdk.Answer{Verdict: v})
	}
	return all.Verdict
}

// excludes looks at method and version before the rest is there: that is cheap, and
// some clients of HTTP/2 send no request before they hear the server.
func (m *Matcher) excludes(f *sdk.Flow, r *request) bool {
	if len(m.methods) > 0 && r.methodKnown(f.Head) && m.methods.hold(f, r) == sdk.No {
		return true
	}
	return len(m.protocols) > 0 && r.knows(m.protocols.after()) && m.protocols.hold(f, r) == sdk.No
}

// tell records what every longer head tells as well.
func (m *Matcher) tell(f *sdk.Flow, r *request) {
	if !r.http2 || m.wait > afterStart {
		set(f, "method", r.text(f.Head, r.method))
		if !r.badPath {
			set(f, "path", r.text(f.Head, r.path))
		}
	}
	if m.wait == afterFields && !r.badHost {
		set(f, "host", r.host[:r.hostLen])
	}
	for _, c := range m.conditions {
		if t, ok := c.(teller); ok {
			t.tell(f, r)
		}
	}
}

// set records a fact that is there and that others can hold.
func set(f *sdk.Flow, key string, value []byte) {
	if len(value) > 0 && len(value) <= maxFact {
		f.Set(key, value)
	}
}

// Sets implements [sdk.FactSetter]: the host, if this matcher waits for it, and
// what groups of patterns capture.
func (m *Matcher) Sets() []string {
	var names []string
	if m.wait == afterFields {
		names = append(names, m.name+".host")
	}
	for _, c := range m.conditions {
		if t, ok := c.(capturer); ok {
			for _, key := range t.Keys() {
				names = append(names, m.name+"."+key)
			}
		}
	}
	return names
}

// Supply implements [sdk.FactSupplier]: a matcher without options says Yes to the preface
// of HTTP/2, and no request is known then.
func (m *Matcher) Supply(keys []string) sdk.Matcher {
	waiting := *m
	for _, key := range keys {
		switch key {
		case "method", "path":
			waiting.wait = max(waiting.wait, afterLine)
		case "host":
			waiting.wait = afterFields
		}
	}
	if waiting.wait == m.wait {
		return nil
	}
	return &waiting
}

var _ sdk.FieldReader = (*Matcher)(nil)

// NeedsFields reports whether the matcher reads header fields, those included that are
// method and path in HTTP/2. Some clients send them only after they have heard the server.
func (m *Matcher) NeedsFields() bool { return m.wait > afterStart }

// Later implements [sdk.Later]: what gRPC asks for comes behind the server's SETTINGS.
func (m *Matcher) Later() string {
	for _, c := range m.conditions {
		if h, ok := c.(*header); ok && h.ofGRPC() {
			return m.name + " with the content type of gRPC reads header fields, and many clients of gRPC send them only after they have heard the server's SETTINGS"
		}
	}
	for i := range m.protocols {
		switch p := &m.protocols[i]; {
		case p.content != nil:
			return m.name + " with protocol grpc reads header fields, and many clients of gRPC send them only after they have heard the server's SETTINGS"
		case p.least == 20 && m.NeedsFields():
			return m.name + " reads header fields of HTTP/2, and clients of gRPC send them only after they have heard the server's SETTINGS"
		}
	}
	return ""
}

// First implements [sdk.Starter]: a method is a token, and empty lines may precede it.
func (m *Matcher) First() *[4]uint64 { return &m.first }

// Keys implements [sdk.Keyed] for matchers with nothing but host names.
func (m *Matcher) Keys() (sdk.Selector, []string) {
	if m.hosts == nil || m.hosts.any || len(m.conditions) > 1 {
		return nil, nil
	}
	return selector{}, m.hosts.list
}

func tokenBytes() (set [4]uint64) {
	for c := range 256 {
		if isToken(byte(c)) || isEnd(byte(c)) {
			set[c>>6] |= 1 << (c & 63)
		}
	}
	return set
}
