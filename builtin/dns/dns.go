// Package dns matches DNS queries: in the first datagram, or on a stream behind two bytes
// of length (RFC 1035 §4.2).
//
//	@local dns {
//		allow *.example.com
//		allow example.com MX
//		deny * ANY
//	}
//
// A query is a message without the bit QR and with the opcode QUERY, NOTIFY or UPDATE,
// that asks one question (RFC 9619): name, type and class. The verdict comes at the end
// of the question. The records behind it (EDNS, cookies, signatures, what an UPDATE
// changes) are the server's business, as is what a client sends behind the first message;
// their number only has to fit.
//
// Without rules every query matches. With allow rules only, a query matches that one of
// them allows; with deny rules only, one that none of them denies. With both, one that is
// allowed and denied matches only with prefer_allow, one that is neither only without
// default_deny. A rule compares all that it names: a name in any case, with or without
// the final dot, *.example.com for exactly one label in the place of the star, a type and
// a class by their names or as TYPE65280 and CLASS7 (RFC 3597 §5); * is anything. A
// regular expression sees the name in lower case with its final dot, type and class in
// upper case.
//
// What servers disagree on is Unknown: a name in the question that points elsewhere in
// the message (BIND and servers in Go follow it, Unbound and Knot do not), and fewer
// records than the header says. A query without a question, which BIND answers with a
// cookie (RFC 7873 §5.4), matches where there are no rules, and is Unknown to rules.
//
// Facts: name, in lower case without the final dot, and type. In names every byte that is
// not a printable character, and each of . \ " ' ( ) ; @ $ inside a label, reads as \DDD
// (RFC 1035 §5.1).
package dns

import "dwaar.dev/dwaar/sdk"

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "dns",
		Doc:   "A DNS query, in a datagram or on a stream, that the rules allow",
		Block: &sdk.Block{Options: sdk.Specs(options())},
		Facts: []sdk.Fact{
			{Key: "name", Doc: "what the query asks for: www.example.com, or . for the root"},
			{Key: "type", Doc: "the type it asks for: AAAA, or TYPE65280 if it has no name"},
		},
	}
}

// Matcher matches DNS queries. The zero value matches all of them.
type Matcher struct {
	allow, deny              []rule
	defaultDeny, preferAllow bool

	names    []string // what Keys returns; nil: the name alone does not decide
	warnings sdk.Errors
}

// New makes the matcher of a node that fits [Spec].
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &Matcher{}
	var faults sdk.Errors
	faults.Add(n.Pos, sdk.Apply(m, n.Block, options()))
	if o := n.Find("default_deny"); o != nil && len(m.allow) == 0 && faults == nil {
		faults = append(faults, sdk.Errorf(o.Pos, "default_deny without allow: no query would match; name in allow what may match"))
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if o := n.Find("prefer_allow"); o != nil && (len(m.allow) == 0 || len(m.deny) == 0) {
		m.warnings = sdk.Errors{sdk.Errorf(o.Pos, "prefer_allow changes nothing: it is for queries that an allow and a deny rule speak of")}
	}
	m.names = m.exactNames()
	return m, nil
}

// Warnings implements [sdk.Warner].
func (m *Matcher) Warnings() sdk.Errors { return m.warnings }

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	q := sdk.Parse(f, fill)
	switch {
	case q.verdict != sdk.Yes:
		return q.verdict, nil
	case !q.asked:
		return m.withoutQuestion(), nil
	case !m.allows(q):
		return sdk.No, nil
	}
	f.Set("name", q.key())
	f.Set("type", q.kind.bytes())
	return sdk.Yes, nil
}

// withoutQuestion is the verdict on a query that asks nothing.
func (m *Matcher) withoutQuestion() sdk.Verdict {
	if len(m.allow)+len(m.deny) > 0 {
		return sdk.Unknown
	}
	return sdk.Yes
}

// allows reports whether the rules let a question pass.
func (m *Matcher) allows(q *query) bool {
	denied, allowed := anyHolds(m.deny, q), anyHolds(m.allow, q)
	switch {
	case denied && allowed:
		return m.preferAllow
	case denied || allowed:
		return allowed
	case len(m.allow) > 0 && len(m.deny) == 0:
		return false
	}
	return !m.defaultDeny
}

// Keys implements [sdk.Keyed]. by is nil if the name alone does not decide.
func (m *Matcher) Keys() (by sdk.Selector, names []string) {
	if m.names == nil {
		return nil, nil
	}
	return byName{}, m.names
}

// exactNames returns the names that the matcher allows if it asks for nothing else.
func (m *Matcher) exactNames() []string {
	if len(m.deny) > 0 {
		return nil
	}
	var names []string
	for i := range m.allow {
		r := &m.allow[i]
		if !r.name.isText() || !r.kind.isAnything() || !r.class.isAnything() {
			return nil
		}
		names = append(names, r.name.key())
	}
	return names
}

// byName finds the name that a query asks for.
type byName struct{}

// Key implements [sdk.Selector].
func (byName) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	q := sdk.Parse(f, fill)
	if q.verdict == sdk.Yes && !q.asked {
		return nil, sdk.Unknown
	}
	return q.key(), q.verdict
}

// Fact implements [sdk.FactSelector].
func (byName) Fact() string { return "name" }
