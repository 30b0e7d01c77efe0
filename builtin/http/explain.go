package http

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

var _ sdk.Explainer = (*Matcher)(nil)

// Explain implements [sdk.Explainer]: it says what the request has for each option, and
// for a matcher without options its method and path.
func (m *Matcher) Explain(f *sdk.Flow) string {
	r := sdk.Parse(f, fill)
	if r.stage == foreign {
		return ""
	}
	var said []string
	for _, c := range m.conditions {
		if text := saw(c, f.Head, r); r.knows(c.after()) && !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	if len(m.conditions) == 0 && r.line {
		said = append(said, "the request is "+sdk.Shown(r.text(f.Head, r.method))+" "+pathOf(f.Head, r))
	}
	if r.stage == bad || r.stage == odd {
		said = append(said, "what follows breaks the protocol, or servers differ in how they read it")
	}
	return strings.Join(said, ", ")
}

// saw says what a condition looked at.
func saw(c condition, head []byte, r *request) string {
	switch c := c.(type) {
	case *hosts:
		return hostOf(r)
	case methods:
		return "the method is " + sdk.Shown(r.text(head, r.method))
	case paths, pathRegexp:
		return "the path is " + pathOf(head, r)
	case queries:
		return "the query is " + sdk.Shown(r.text(head, r.query))
	case *header:
		return fieldOf(c.name, head, r)
	case headerRegexp:
		return fieldOf(c.name, head, r)
	}
	return "the protocol is " + versionOf(r)
}

func hostOf(r *request) string {
	switch r.hostKnown() {
	case sdk.Yes:
		return "the host is " + sdk.Shown(r.host[:r.hostLen])
	case sdk.No:
		return "there is no host"
	}
	return "the host cannot be read without guessing"
}

func pathOf(head []byte, r *request) string {
	if r.badPath {
		return "one that cannot be read without guessing"
	}
	return sdk.Shown(r.text(head, r.path))
}

// fieldOf says which values the header field of a name has.
func fieldOf(field string, head []byte, r *request) string {
	var values []string
	for lines := r.text(head, r.fields); len(lines) > 0; {
		var name, value []byte
		name, value, lines = cutField(lines)
		if equalFold(name, field) {
			values = append(values, sdk.Shown(value))
		}
	}
	if values == nil {
		return "there is no header field " + sdk.Shown(field)
	}
	return "the header field " + sdk.Shown(field) + " is " + strings.Join(values, " and ")
}

func versionOf(r *request) string {
	switch {
	case r.http2:
		return "HTTP/2"
	case r.line:
		return "HTTP/1." + string('0'+r.minor)
	}
	return "HTTP"
}
