// Package winbox matches MikroTik WinBox by the first message of its authentication,
// on TCP (EC-SRP5, RouterOS since 6.45):
//
//	@any   winbox
//	@admin winbox { username admin }
//	@staff winbox {
//		modes standard
//		username_regexp ^(andris|edgars|juris)$
//	}
//
// MikroTik does not publish the protocol. This is what Margin Research describes
// ("MikroTik Authentication Revealed", 2022), and of RoMON what caddy-l4 documents. A
// message is cut into chunks of at most 255 bytes, each behind its length and a byte
// that says whose it is: 6 in the first, 255 in those that continue it. The client's
// first message is its user name, a byte 0, the x coordinate of its public key (32
// bytes), and the parity of y, 0 or 1:
//
//	42 6 │ t o m s 0 │ … 32 bytes … │ 1
//
// "+r" behind the name asks for the mode romon, in which the router passes the client
// on to others (RoMON); standard is the mode without it. The name is what the user
// typed, not always one that a router can have: every text without control characters
// passes. One longer than 255 bytes is Unknown.
//
// Facts: username, without "+r".
package winbox

import (
	"regexp"
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "winbox",
		Doc:   "The first message of MikroTik WinBox",
		Block: &sdk.Block{Options: sdk.Specs(options())},
		Facts: []sdk.Fact{{Key: "username", Doc: "the name that the user logs in with, without +r"}},
	}
}

func options() []sdk.Option[Matcher] {
	names := sdk.Choice("MODE", "standard", "romon")
	names.Max = -1
	return []sdk.Option[Matcher]{
		sdk.Line(sdk.Spec{
			Name: "modes", Doc: "To the router itself, through it to others, or either", Default: "standard romon",
			Args: []sdk.Arg{names},
		}, (*Matcher).setModes),
		sdk.Line(sdk.Spec{
			Name: "username", Doc: "The user logs in with this name; it may hold placeholders",
			Args: []sdk.Arg{sdk.One("NAME", sdk.Free)},
		}, (*Matcher).setName),
		sdk.Line(sdk.Spec{
			Name: "username_regexp", Doc: "The pattern is found in the name",
			Args: []sdk.Arg{sdk.One("PATTERN", sdk.Regexp)},
		}, sdk.SetRegexp(func(m *Matcher) **regexp.Regexp { return &m.pattern })),
	}
}

// modes is a set of ways to log in.
type modes uint8

const (
	standard modes = 1 << iota
	romon
)

// Matcher matches WinBox. The zero value matches all of it.
type Matcher struct {
	modes   modes // 0: any
	name    name  // empty: any
	pattern *regexp.Regexp
}

func (m *Matcher) setModes(n *sdk.Node) error {
	for _, name := range n.Texts() {
		if strings.EqualFold(name, "romon") {
			m.modes |= romon
		} else {
			m.modes |= standard
		}
	}
	return nil
}

func (m *Matcher) setName(n *sdk.Node) (err error) {
	m.name, err = parseName(n.Args[0])
	return err
}

// New makes the matcher of a node that fits [Spec]. Errors are sdk.Errors.
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &Matcher{}
	var errs sdk.Errors
	errs.Add(n.Pos, sdk.Apply(m, n.Block, options()))
	if o := n.Find("username_regexp"); o != nil && n.Find("username") != nil {
		errs = append(errs, sdk.Errorf(o.Pos, "username and username_regexp both choose the name: leave one of them out"))
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	msg := sdk.Parse(f, fill)
	if msg.verdict != sdk.Yes {
		return msg.verdict, nil
	}
	name := msg.username()
	switch {
	case m.modes != 0 && m.modes&msg.mode == 0,
		m.name != nil && !m.name.equals(f, name),
		m.pattern != nil && !m.pattern.Match(name):
		return sdk.No, nil
	}
	f.Set("username", name)
	return sdk.Yes, nil
}

// Reads implements [sdk.FactReader].
func (m *Matcher) Reads() []string {
	var names []string
	for _, p := range m.name {
		if p.fact {
			names = append(names, p.text)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// First implements [sdk.Starter]: no message is shorter than leastSize.
func (m *Matcher) First() *[4]uint64 {
	const all = 1<<64 - 1
	return &[4]uint64{all << leastSize & all, all, all, all}
}
