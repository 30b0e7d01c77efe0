// Package prefix is the simplest matcher, for the tests of whatever asks matchers:
//
//	registry.Matcher(sdk.Spec{Name: "prefix", …}, prefix.New)
package prefix

import (
	"errors"

	"dwaar.dev/dwaar/sdk"
)

// Matcher matches connections that begin with a text, and sets the fact "is" to the
// text. [Broken] and [Panics] do not match.
type Matcher string

// The texts with which a matcher is not one that obeys the laws.
const (
	Broken Matcher = "broken" // Match returns an error when a head begins with it
	Panics Matcher = "boom"   // Match panics then
)

// New makes the matcher of a directive whose first argument is the text; without one,
// of the empty text.
func New(n *sdk.Node) (sdk.Matcher, error) {
	if len(n.Args) == 0 {
		return Matcher(""), nil
	}
	return Matcher(n.Args[0].Text), nil
}

// Match implements [sdk.Matcher].
func (m Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	n := min(len(f.Head), len(m))
	switch {
	case string(f.Head[:n]) != string(m[:n]):
		return sdk.No, nil
	case n < len(m):
		return sdk.Need(n + 1), nil
	case m == Broken:
		return sdk.No, errors.New("it is broken")
	case m == Panics:
		panic("on purpose")
	}
	f.Set("is", f.Head[:n])
	return sdk.Yes, nil
}
