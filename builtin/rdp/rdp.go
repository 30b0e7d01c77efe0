// Package rdp matches the connection request of an RDP client, complete and exact in
// all its lengths (MS-RDPBCGR section 2.2.1.1): a TPKT header (RFC 1006 section 6), an
// X.224 Connection Request of class 0, one line of text or none, and a negotiation
// request or none, with correlation information or without.
//
//	@any   rdp
//	@alice rdp {
//		cookie_hash alice
//	}
//	@farm  rdp {
//		cookie_ip   10.0.0.0/8
//		cookie_port 3389
//	}
//	@desks rdp {
//		custom_info_regexp ^tsv://
//	}
//
// The line says where the client belongs. There are three kinds, and a request has one
// of them, so options of different kinds in one matcher are an error:
//
//   - "Cookie: mstshash=NAME": the user, for cookie_hash and cookie_hash_regexp.
//     Microsoft's client sends the first nine characters of DOMAIN\USER, others send all
//     of USER. cookie_hash compares in any case, because Windows does; the pattern sees
//     what was sent.
//   - "Cookie: msts=IP.PORT.0000": the server of an earlier session, which a load
//     balancer gave out, for cookie_ip and cookie_port. IP and PORT are decimal numbers
//     in the other order of bytes: 1.0.0.0 is 1 (MSFT-SDLBTS, "Routing Token Format", to
//     which MS-RDPBCGR refers). If what stands behind "Cookie: msts=" is anything else,
//     both are Unknown, and the whole line counts as the third kind.
//   - any other text, for custom_info and custom_info_regexp: the load balance info of
//     FreeRDP, mstsc and Guacamole.
//
// A request without the line that an option reads is No. The line is text without
// control characters, which keeps apart what else begins with TPKT and X.224: the
// parameters of S7 and other users of RFC 1006 are numbers.
//
// Facts: cookie_hash (as it was sent), cookie_ip, cookie_port, custom_info.
package rdp

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

const maxPort = 1<<16 - 1

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "rdp",
		Doc:   "The connection request of an RDP client",
		Block: &sdk.Block{Options: sdk.Specs(options())},
		Facts: []sdk.Fact{
			{Key: "cookie_hash", Doc: "the user of the mstshash cookie, as it was sent"},
			{Key: "cookie_ip", Doc: "the address of the msts cookie"},
			{Key: "cookie_port", Doc: "the port of the msts cookie"},
			{Key: "custom_info", Doc: "the text in place of a cookie"},
		},
	}
}

func options() []sdk.Option[conditions] {
	return []sdk.Option[conditions]{
		sdk.Line(sdk.Spec{
			Name: "cookie_hash", Doc: "The user of the mstshash cookie, in any case; Microsoft's client sends nine characters at most",
			Args: []sdk.Arg{sdk.One("VALUE", sdk.Free)},
		}, (*conditions).setText),
		sdk.Line(sdk.Spec{
			Name: "cookie_hash_regexp", Doc: "The pattern is found in the user of the mstshash cookie",
			Args: []sdk.Arg{sdk.One("PATTERN", sdk.Regexp)},
		}, sdk.SetRegexp(func(m *conditions) **regexp.Regexp { return &m.pattern })),
		sdk.Line(sdk.Spec{
			Name: "cookie_ip", Many: true, Doc: "The address of the msts cookie lies in one of these ranges",
			Args: []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)},
		}, sdk.AddPrefixes(func(m *conditions) *[]netip.Prefix { return &m.networks })),
		sdk.Line(sdk.Spec{
			Name: "cookie_port", Many: true, Doc: "The port of the msts cookie is one of these",
			Args: []sdk.Arg{sdk.Some("PORT", sdk.Int)},
		}, (*conditions).addPorts),
		sdk.Line(sdk.Spec{
			Name: "custom_info", Doc: "The text in place of a cookie",
			Args: []sdk.Arg{sdk.One("VALUE", sdk.Free)},
		}, (*conditions).setText),
		sdk.Line(sdk.Spec{
			Name: "custom_info_regexp", Doc: "The pattern is found in the text in place of a cookie",
			Args: []sdk.Arg{sdk.One("PATTERN", sdk.Regexp)},
		}, sdk.SetRegexp(func(m *conditions) **regexp.Regexp { return &m.pattern })),
	}
}

// New makes the matcher of a node that fits [Spec]. A matcher with cookie_hash is
// [sdk.Keyed]. Errors are sdk.Errors.
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &conditions{}
	var errs sdk.Errors
	errs.Add(n.Pos, sdk.Apply(m, n.Block, options()))
	errs.Add(n.Pos, contradictions(n))
	if err := errs.Err(); err != nil {
		return nil, err
	}
	if len(n.Block) > 0 {
		m.kind = kindOf(n.Block[0].Name)
	}
	if m.kind == hash && m.pattern == nil {
		name := []byte(m.text)
		lower(name, name)
		m.text = string(name)
		if !strings.HasPrefix(m.text, "*.") { // among keys that begins a wildcard
			return user{m.text}, nil
		}
	}
	return m, nil
}

// setText reads a value that is not empty and has no placeholder.
func (m *conditions) setText(n *sdk.Node) error {
	w := n.Args[0]
	m.text = w.Text
	switch _, placeholder, found := strings.Cut(w.Text, "{"); {
	case w.Text == "":
		return sdk.Errorf(w.Pos, "%s has no value: write one, or %s_regexp . for any", n.Name, n.Name)
	case found && strings.Contains(placeholder, "}"):
		return sdk.Errorf(w.Pos, "%q has a placeholder: write the value itself, or compare with vars {rdp.%s}", w.Text, n.Name)
	}
	return nil
}

func (m *conditions) addPorts(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		port, err := sdk.ParseInt(w.Text)
		if err != nil || port > maxPort {
			errs.Add(w.Pos, sdk.Errorf(w.Pos, "cookie_port: %s is no port: write a number from 0 to %d", w.Text, maxPort))
		}
		m.ports = append(m.ports, uint16(port))
	}
	return errs.Err()
}

// contradictions finds options that cannot hold together, or of which one says all.
func contradictions(n *sdk.Node) error {
	var errs sdk.Errors
	for i := range n.Block {
		o := &n.Block[i]
		for j := range i {
			before := n.Block[j].Name
			switch {
			case kindOf(before) != kindOf(o.Name):
				errs.Add(o.Pos, sdk.Errorf(o.Pos, "%s and %s never hold together, a request has one of them at most: write two matchers", before, o.Name))
			case before != o.Name && kindOf(o.Name) != token:
				errs.Add(o.Pos, sdk.Errorf(o.Pos, "%s and %s say the same thing twice: leave one out", before, o.Name))
			}
		}
	}
	return errs.Err()
}

// kindOf is the kind of line that an option reads.
func kindOf(option string) kind {
	switch {
	case strings.HasPrefix(option, "cookie_hash"):
		return hash
	case strings.HasPrefix(option, "cookie_"):
		return token
	}
	return custom
}

// conditions is the matcher with any options. The zero value takes every request.
type conditions struct {
	kind     kind           // of the line that the options read; none: there are no options
	text     string         // hash, in lower case, or custom
	pattern  *regexp.Regexp // in place of text
	networks []netip.Prefix // token
	ports    []uint16       // token
}

// First implements [sdk.Starter].
func (*conditions) First() *[4]uint64 { return first() }

// Match implements [sdk.Matcher].
func (m *conditions) Match(f *sdk.Flow) (sdk.Verdict, error) {
	r := sdk.Parse(f, fill)
	if r.verdict != sdk.Yes {
		return r.verdict, nil
	}
	v := m.judge(r, f.Head)
	if v == sdk.Yes {
		r.tell(f)
	}
	return v, nil
}

func (m *conditions) judge(r *request, head []byte) sdk.Verdict {
	switch {
	case m.kind == none:
		return sdk.Yes
	case m.kind == token:
		return m.judgeToken(r)
	case m.kind != r.kind:
		return sdk.No
	case m.pattern != nil:
		return verdict(m.pattern.Match(r.value(head)))
	case m.kind == hash:
		return verdict(string(r.user()) == m.text)
	}
	return verdict(string(r.value(head)) == m.text)
}

func (m *conditions) judgeToken(r *request) sdk.Verdict {
	switch {
	case r.garbled:
		return sdk.Unknown
	case r.kind != token:
		return sdk.No
	case len(m.ports) > 0 && !slices.Contains(m.ports, r.server.Port()):
		return sdk.No
	case len(m.networks) == 0:
		return sdk.Yes
	}
	for _, p := range m.networks {
		if p.Contains(r.server.Addr()) {
			return sdk.Yes
		}
	}
	return sdk.No
}

func verdict(yes bool) sdk.Verdict {
	if yes {
		return sdk.Yes
	}
	return sdk.No
}
