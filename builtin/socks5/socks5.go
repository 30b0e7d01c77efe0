// Package socks5 matches the greeting of a SOCKS 5 client: the version, and the ways
// to authenticate that the client offers (RFC 1928 section 3).
//
//	@any   socks5
//	@login socks5 {
//		auth_methods 2
//	}
//
// Every method that the client offers must be one of auth_methods: 0 is none, 1 GSSAPI,
// 2 user and password (RFC 1929); other numbers are those of IANA's register. The
// client says where it wants to go only after the answer, so no matcher can tell that.
package socks5

import "dwaar.dev/dwaar/sdk"

const (
	version   = 5
	maxMethod = 255
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "socks5",
		Doc:   "The greeting of a SOCKS 5 client",
		Block: &sdk.Block{Options: sdk.Specs(options())},
	}
}

func options() []sdk.Option[Matcher] {
	return []sdk.Option[Matcher]{
		sdk.Line(sdk.Spec{
			Name: "auth_methods", Many: true, Doc: "The client offers none but these ways to authenticate", Default: "0 1 2",
			Args: []sdk.Arg{sdk.Some("N", sdk.Int)},
		}, (*Matcher).addMethods),
	}
}

// Matcher matches SOCKS 5 clients. Make one with [New].
type Matcher struct {
	methods [4]uint64 // bit b is set if method b may be offered
}

// New makes the matcher of a node that fits [Spec]. Errors are sdk.Errors.
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &Matcher{}
	if err := sdk.Apply(m, n.Block, options()); err != nil {
		return nil, err
	}
	if m.methods == [4]uint64{} {
		m.methods[0] = 1<<0 | 1<<1 | 1<<2
	}
	return m, nil
}

func (m *Matcher) addMethods(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		b, err := sdk.ParseInt(w.Text)
		if err != nil || b > maxMethod {
			errs.Add(w.Pos, sdk.Errorf(w.Pos, "auth_methods: %s is no method: write a number from 0 to %d", w.Text, maxMethod))
			continue
		}
		m.methods[b>>6] |= 1 << (b & 63)
	}
	return errs.Err()
}

// First implements [sdk.Starter].
func (*Matcher) First() *[4]uint64 { return &[4]uint64{1 << version} }

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	c := f.Cursor()
	if c.Byte() != version {
		return c.No(), nil
	}
	count := c.Byte()
	if count == 0 { // at least one is offered
		return c.No(), nil
	}
	for range count {
		if b := c.Byte(); c.Short() || m.methods[b>>6]&(1<<(b&63)) == 0 {
			return c.No(), nil
		}
	}
	return c.Yes(), nil
}
