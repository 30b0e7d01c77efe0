// Package minecraft is the matcher of the README: the same source runs natively.
package minecraft

import "dwaar.dev/dwaar/sdk"

type matcher struct{ host string } // minecraft [HOST]

// New configures the matcher.
func New(n *sdk.Node) (sdk.Matcher, error) {
	switch len(n.Args) {
	case 0:
		return matcher{}, nil
	case 1:
		return matcher{n.Args[0].Text}, nil
	}
	return nil, &sdk.Error{Pos: n.Args[1].Pos, Msg: "takes one host"}
}

// Match reads a handshake.
func (m matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	c := f.Cursor()
	if size := c.Varint(); size < 7 || size > 300 {
		return c.No(), nil
	}
	if c.Varint() != 0 { // the packet's id
		return c.No(), nil
	}
	c.Varint() // the protocol's version
	n := c.Varint()
	if n < 1 || n > 255 {
		return c.No(), nil
	}
	host := c.Bytes(int(n))
	if m.host != "" && string(host) != m.host {
		return c.No(), nil
	}
	f.Set("host", host)
	return c.Yes(), nil
}
