// Package proxyheader matches connections that begin with a header of the PROXY
// protocol, version 1 or 2. The directive is proxy_protocol, like the handler that takes
// the header off the connection.
//
//	@balancer {
//		remote_ip 10.0.0.0/8
//		proxy_protocol
//	}
//
// The specification is HAProxy's doc/proxy-protocol.txt, whose sections are cited here. A
// header of version 1 is a line, which senders write at once (§2): Yes comes at its end.
// Of version 2 the first sixteen bytes decide (§2.2); the addresses and TLVs behind them
// are the business of whoever takes the header off.
//
// Yes is for what the specification defines, No for what no receiver takes. Between the
// two lies what HAProxy refuses and nginx or a Go server accepts, among it the families
// and commands that receivers "must reject": for these the answer is Unknown.
package proxyheader

import "dwaar.dev/dwaar/sdk"

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{Name: "proxy_protocol", Doc: "A header of the PROXY protocol, version 1 or 2"}
}

// New makes a matcher from a node that [Spec] accepts. It never fails.
func New(*sdk.Node) (sdk.Matcher, error) { return Matcher{}, nil }

// Matcher matches headers of the PROXY protocol. It has no options.
type Matcher struct{}

// First implements [sdk.Starter].
func (Matcher) First() *[4]uint64 {
	return &[4]uint64{'\r' >> 6: 1 << ('\r' & 63), 'P' >> 6: 1 << ('P' & 63)}
}

// Match implements [sdk.Matcher].
func (Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if f.Network != "udp" && f.Network != "unixgram" {
		c := f.Cursor()
		v, _ := match(&c)
		return v, nil
	}
	if len(f.Bounds) == 0 {
		return sdk.Need(1), nil
	}
	return datagram(f.Head[:f.Bounds[0]]), nil
}

// datagram judges a datagram, which holds the whole header or none.
func datagram(b []byte) sdk.Verdict {
	f := sdk.Flow{Head: b}
	c := f.Cursor()
	v, size := match(&c)
	if !v.Decided() || v == sdk.Yes && size > len(b) {
		return sdk.No
	}
	return v
}

// match returns the verdict and, beside Yes, the length of the header.
func match(c *sdk.Cursor) (v sdk.Verdict, size int) {
	first := *c
	switch first.Byte() {
	case 'P':
		return line(c), c.Offset()
	case '\r':
		return binary(c)
	}
	return first.No(), 0
}
