package http

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// protocols: the request is of one of these kinds.
type protocols []protocol

type protocol struct {
	least, most int // versions, times ten
	encrypted   bool
	clear       bool
	content     *header // nil: any
}

// protocolNames are the words that protocolNamed knows.
func protocolNames() []string {
	return []string{"http", "https", "grpc", "http/1.0", "http/1.0+", "http/1.1", "http/1.1+", "http/2", "http/2+"}
}

func protocolNamed(name string) protocol {
	p := protocol{least: 10, most: 20}
	version, orLater := strings.CutSuffix(strings.ToLower(name), "+")
	switch version {
	case "http":
		p.clear = true
	case "https":
		p.encrypted = true
	case "grpc":
		p.content = &header{name: "content-type", values: []pattern{{text: "application/grpc", after: true}}}
	case "http/1.0":
		p.most = 10
	case "http/1.1":
		p.least, p.most = 11, 11
	case "http/2":
		p.least = 20
	}
	if orLater {
		p.most = 20
	}
	return p
}

func (ps protocols) after() moment {
	if slices.ContainsFunc(ps, func(p protocol) bool { return p.content != nil }) {
		return afterFields
	}
	return afterStart
}

func (ps protocols) hold(f *sdk.Flow, r *request) sdk.Verdict {
	for i := range ps {
		if ps[i].is(f, r) {
			return sdk.Yes
		}
	}
	return sdk.No
}

func (p *protocol) is(f *sdk.Flow, r *request) bool {
	version := 10 + min(int(r.minor), 1) // 1.2 is 1.1 to those who know no more (RFC 9110 section 2.5)
	if r.http2 {
		version = 20
	}
	if version < p.least || version > p.most {
		return false
	}
	if through := f.TLSVersion != 0; through && p.clear || !through && p.encrypted {
		return false
	}
	return p.content == nil || p.content.hold(f, r) == sdk.Yes
}
