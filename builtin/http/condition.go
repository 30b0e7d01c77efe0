package http

import (
	"bytes"
	"slices"
	"strings"

	"dwaar.dev/dwaar/builtin/internal/captures"
	"dwaar.dev/dwaar/sdk"
)

// A condition is an option of the matcher. It answers when what it looks at is
// known: Yes, No, or Unknown if that cannot be read.
type condition interface {
	hold(f *sdk.Flow, r *request) sdk.Verdict
	after() moment
}

// moment is when a condition can answer.
type moment uint8

const (
	afterStart  moment = iota // as soon as this is HTTP
	afterLine                 // when method and target are known
	afterFields               // when all header fields are known
)

func (r *request) knows(m moment) bool {
	switch m {
	case afterStart:
		return r.start
	case afterLine:
		return r.line
	}
	return r.stage == whole
}

func verdict(yes bool) sdk.Verdict {
	if yes {
		return sdk.Yes
	}
	return sdk.No
}

// hosts: the request is for one of these hosts.
type hosts struct {
	names map[string]bool
	wild  []string // ".example.com"
	list  []string // all of them, as the configuration has them
	any   bool
}

func (hosts) after() moment { return afterFields }

func (h *hosts) hold(_ *sdk.Flow, r *request) sdk.Verdict {
	if v := r.hostKnown(); v != sdk.Yes {
		return v
	}
	host := r.host[:r.hostLen]
	if h.any || h.names[string(host)] {
		return sdk.Yes
	}
	if len(h.wild) > 0 {
		if dot := bytes.IndexByte(host, '.'); dot > 0 {
			return verdict(slices.Contains(h.wild, string(host[dot:])))
		}
	}
	return sdk.No
}

// methods: the request has one of these methods.
type methods []string

func (methods) after() moment { return afterLine }

func (m methods) hold(f *sdk.Flow, r *request) sdk.Verdict {
	return verdict(slices.Contains(m, string(r.text(f.Head, r.method))))
}

// paths: the path fits one of these patterns.
type paths []pattern

func (paths) after() moment { return afterLine }

func (ps paths) hold(f *sdk.Flow, r *request) sdk.Verdict {
	if r.badPath {
		return sdk.Unknown
	}
	path := r.text(f.Head, r.path)
	return verdict(slices.ContainsFunc(ps, func(p pattern) bool { return p.match(path) }))
}

// pathRegexp: the path contains a match.
type pathRegexp struct{ *captures.Pattern }

func (pathRegexp) after() moment { return afterLine }

func (p pathRegexp) hold(f *sdk.Flow, r *request) sdk.Verdict {
	if r.badPath {
		return sdk.Unknown
	}
	return verdict(p.Match(r.text(f.Head, r.path)))
}

func (p pathRegexp) tell(f *sdk.Flow, r *request) { p.Set(f, r.text(f.Head, r.path)) }

// header: a field of that name has one of these values, or is there, or is not.
type header struct {
	name   string // lower case
	values []pattern
	absent bool
}

func (*header) after() moment { return afterFields }

func (h *header) hold(f *sdk.Flow, r *request) sdk.Verdict {
	found := false
	for lines := r.text(f.Head, r.fields); len(lines) > 0; {
		var name, value []byte
		name, value, lines = cutField(lines)
		if !equalFold(name, h.name) {
			continue
		}
		found = true
		if !h.absent && h.takes(value) {
			return sdk.Yes
		}
	}
	return verdict(h.absent && !found)
}

func (h *header) takes(value []byte) bool {
	return len(h.values) == 0 || slices.ContainsFunc(h.values, func(p pattern) bool { return p.match(value) })
}

// ofGRPC reports whether only requests of gRPC fulfil the condition.
func (h *header) ofGRPC() bool {
	return h.name == "content-type" && !h.absent && len(h.values) > 0 && !slices.ContainsFunc(h.values, func(p pattern) bool {
		return p.before || !strings.HasPrefix(strings.ToLower(p.text), "application/grpc")
	})
}

// headerRegexp: a field of that name contains a match.
type headerRegexp struct {
	name string // lower case
	*captures.Pattern
}

func (headerRegexp) after() moment { return afterFields }

func (h headerRegexp) hold(f *sdk.Flow, r *request) sdk.Verdict {
	_, found := h.find(f, r)
	return verdict(found)
}

// find returns the first value that contains a match.
func (h headerRegexp) find(f *sdk.Flow, r *request) ([]byte, bool) {
	for lines := r.text(f.Head, r.fields); len(lines) > 0; {
		var name, value []byte
		name, value, lines = cutField(lines)
		if equalFold(name, h.name) && h.Match(value) {
			return value, true
		}
	}
	return nil, false
}

func (h headerRegexp) tell(f *sdk.Flow, r *request) {
	value, _ := h.find(f, r)
	h.Set(f, value)
}

// queries: for each key, the query has one of its values.
type queries []query

type query struct {
	key    string
	values []string // "*": any
}

func (queries) after() moment { return afterLine }

func (qs queries) hold(f *sdk.Flow, r *request) sdk.Verdict {
	text := r.text(f.Head, r.query)
	if r.badQuery || !isQuery(text) {
		return sdk.Unknown
	}
	for _, q := range qs {
		if !q.in(text) {
			return sdk.No
		}
	}
	return sdk.Yes
}

func (q query) in(text []byte) bool {
	for len(text) > 0 {
		var pair []byte
		pair, text, _ = bytes.Cut(text, []byte("&"))
		key, value, _ := bytes.Cut(pair, []byte("="))
		if !decodesTo(key, q.key) {
			continue
		}
		for _, want := range q.values {
			if want == "*" || decodesTo(value, want) {
				return true
			}
		}
	}
	return false
}
