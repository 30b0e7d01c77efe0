// Package xmpp matches the head of an XMPP stream: an XML declaration or none, and the
// start tag of the stream (RFC 6120 section 4.7), whatever its prefix, its quotes, and
// the order of its attributes.
//
//	@chat xmpp
//
//	<?xml version='1.0'?>
//	<stream:stream to='example.com' version='1.0'
//	    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>
//
// The element must be "stream" in the namespace of streams. The default namespace says
// who speaks: jabber:client, jabber:server or, for a component, jabber:component:accept
// (XEP-0114); any other is No. Without one the matcher is Unknown, because some servers
// take that, unless the element itself has no prefix: its content then declares its
// own (RFC 6120 section 4.8.3). Comments, processing instructions and document types do
// not stand in a stream (section 11.1): No. So is what no XML parser takes as far as
// this package reads it: it looks at references and UTF-8 and does not look for an
// attribute given twice, unless it means something here.
//
// Yes comes at the end of the start tag. It is read once, byte after byte, as it
// arrives.
//
// Facts: to, the domain that the client wants to reach, ASCII letters in lower case and
// without a final dot, if it has at most 255 bytes.
package xmpp

import "dwaar.dev/dwaar/sdk"

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "xmpp",
		Doc:   "The head of an XMPP stream",
		Facts: []sdk.Fact{{Key: "to", Doc: "the domain that the client wants to reach, lower case, without a final dot"}},
	}
}

// New makes a matcher from a node that [Spec] accepts. It never fails.
func New(*sdk.Node) (sdk.Matcher, error) { return Matcher{}, nil }

// Matcher matches XMPP clients, servers and components. It has no options.
type Matcher struct{}

// First implements [sdk.Starter]: the tag, white space, or a byte order mark.
func (Matcher) First() *[4]uint64 {
	return &[4]uint64{1<<'<' | 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\n', 0, 0, 1 << (byteOrderMark[0] & 63)}
}

// Match implements [sdk.Matcher].
func (Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	s := sdk.Parse(f, fill)
	switch s.part {
	case impossible:
		return sdk.No, nil
	case undeclared:
		return sdk.Unknown, nil
	case complete:
		if n := s.toLen; n > 0 {
			f.Set("to", s.to[:n])
		}
		return sdk.Yes, nil
	}
	return sdk.Need(len(f.Head) + 1), nil
}

func fill(f *sdk.Flow, s *stream) {
	for ; s.part < complete && s.at < len(f.Head); s.at++ {
		s.part = s.after(f.Head, f.Head[s.at])
	}
}
