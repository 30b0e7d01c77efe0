// Command hello is a matcher, compiled to WebAssembly. It knows clients that begin with a
// line "HELLO NAME", and finds out the name. In the Dwaarfile
//
//	@anybody hello
//	@world hello world
//
// the first one matches all of them, the second one those who say "world"; in a route
// of either {hello.who} is the name.
package main

import (
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/guest"
)

var _ = guest.Main(New)

func main() {} // never runs

// Matcher is the matcher with its argument.
type Matcher struct {
	Who string // "": any name will do
}

// New is called once for each place where the configuration uses the matcher, with what
// stands behind its name there.
func New(n *sdk.Node) (sdk.Matcher, error) {
	switch len(n.Args) {
	case 0:
		return Matcher{}, nil
	case 1:
		return Matcher{n.Args[0].Text}, nil
	}
	return nil, &sdk.Error{Pos: n.Args[1].Pos, Msg: "takes one name"}
}

// Match is called with the first bytes of a connection: with none, and again when more
// have come, always from the first byte on. Reading through the cursor, "not yet" takes
// care of itself: No and Yes ask for more bytes where a read lacked some.
func (m Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	c := f.Cursor()
	if !c.Literal("HELLO ") {
		return c.No(), nil // at the first wrong byte
	}
	who, ok := c.Until('\n', 64)
	if !ok {
		return c.No(), nil // no end of line where there had to be one
	}
	if m.Who != "" && string(who) != m.Who {
		return c.No(), nil // somebody else
	}
	f.Set("who", who)
	return c.Yes(), nil
}
