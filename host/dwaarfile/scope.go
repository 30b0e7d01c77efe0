package dwaarfile

import (
	"slices"

	"dwaar.dev/dwaar/sdk"
)

// scope is what may stand in the block being read.
type scope struct {
	g       *sdk.Grammar
	options []sdk.Spec
	holds   sdk.Holds
	line    *sdk.Spec // of lines whose names are the user's own, or nil
	top     bool      // the file itself
	flat    bool      // written on one line
}

// topScope is that of a file.
func topScope(g *sdk.Grammar) *scope { return &scope{g: g, options: g.Top, top: true} }

// specScope is that of a directive's block inside s. Of an unknown directive, or
// one without a block, nothing is known.
func specScope(spec *sdk.Spec, s *scope) *scope {
	in := &scope{g: s.g, flat: s.flat}
	switch {
	case spec == nil:
	case spec.Negates:
		in.options = s.options
	case spec.Block != nil:
		in.options, in.holds, in.line = spec.Block.Options, spec.Block.Holds, spec.Block.Line
	}
	return in
}

// setScope is that of the block of a matcher set in s.
func setScope(s *scope) *scope {
	return &scope{g: s.g, holds: sdk.HoldsMatchers, flat: s.flat}
}

// find returns what a name means here, or nil.
func (s *scope) find(name string) *sdk.Spec {
	if spec := sdk.Find(s.options, name); spec != nil {
		return spec
	}
	if s.holds&sdk.HoldsMatchers != 0 {
		if spec := sdk.Find(s.g.Matchers, name); spec != nil {
			return spec
		}
	}
	if s.holds&sdk.HoldsHandlers != 0 {
		if spec := sdk.Find(s.g.Handlers, name); spec != nil {
			return spec
		}
	}
	if s.holds&sdk.HoldsRoutes != 0 {
		return ruleOf(s.g, name)
	}
	return nil
}

// ruleOf returns the description of a route or a deny by its name, or nil.
func ruleOf(g *sdk.Grammar, name string) *sdk.Spec {
	switch {
	case name == "":
		return nil
	case name == g.Route.Name:
		return &g.Route
	case name == g.Deny.Name:
		return &g.Deny
	}
	return nil
}

// spec returns the description of a directive here, or nil. Where servers stand,
// every unknown name is the address of one, and some blocks have lines that begin
// with any name.
func (s *scope) spec(name string) *sdk.Spec {
	switch spec := s.find(name); {
	case spec != nil:
		return spec
	case s.holds&sdk.HoldsServers != 0:
		return &s.g.Server
	default:
		return s.line
	}
}

// ownNames reports whether a directive's name may be the user's own, and thus quoted.
func (s *scope) ownNames() bool { return s.holds&sdk.HoldsServers != 0 || s.line != nil }

// inside returns the scope of the block of n, which stands in s.
func (s *scope) inside(n *sdk.Node) *scope {
	switch {
	case s.isSet(n.Name):
		return setScope(s)
	case n.Name == "" && s.top:
		return specScope(&s.g.Global, s)
	default:
		return specScope(s.spec(n.Name), s)
	}
}

// as returns s for text that is flat or not, whatever the text around it is.
func (s *scope) as(flat bool) *scope {
	in := *s
	in.flat = flat
	return &in
}

// starts reports whether an unquoted word can begin a directive here. A name that the
// configuration declares never does: a declaration cannot change where a line ends.
func (s *scope) starts(text string) bool {
	return s.isSet(text) || s.find(text) != nil || text == importWord
}

// isSet reports whether a directive of that name is a matcher set here, and isSnippet
// that it is a snippet. Where users have names of their own, it is one of those.
func (s *scope) isSet(name string) bool     { return isSet(name) && !s.ownNames() }
func (s *scope) isSnippet(name string) bool { return isSnippet(name) && !s.ownNames() }

// guess returns the scope of a text that stands alone and begins with name: a
// file to be imported, or a snippet nobody imports.
func guess(g *sdk.Grammar, name string) *scope {
	s := topScope(g)
	switch {
	case name == "" || name == importWord || isSnippet(name) || s.find(name) != nil:
	case isSet(name) || ruleOf(g, name) != nil:
		s.holds = sdk.HoldsRoutes
	case sdk.Find(g.Handlers, name) != nil:
		s.holds = sdk.HoldsHandlers
	case sdk.Find(g.Matchers, name) != nil:
		s.holds = sdk.HoldsMatchers
	}
	return s
}

// reading is how far the arguments of a directive were read.
type reading struct {
	args []sdk.Arg
	free bool // nothing is known: all fits
	at   int  // the argument being read
	n    []int
	all  int
}

func newReading(spec *sdk.Spec) *reading {
	if spec == nil {
		return &reading{free: true}
	}
	r := &reading{args: spec.Args, n: make([]int, len(spec.Args))}
	if spec.Block != nil && spec.Block.Line != nil && len(spec.Args) > 1 {
		// One line of the block may stand behind the directive instead: what that
		// line needs behind its name is needed here.
		r.args = slices.Clone(spec.Args)
		for i := range spec.Block.Line.Args[:min(len(spec.Block.Line.Args), len(r.args)-1)] {
			r.args[i+1].Min = spec.Block.Line.Args[i].Min
		}
	}
	return r
}

// slot returns the index of the argument that text would be, or -1.
func (r *reading) slot(text string) int {
	for i, a := range r.args {
		if a.AnyOrder && r.all > 0 && r.takes(i, text) {
			return i
		}
	}
	for i := r.at; i < len(r.args); i++ {
		switch a := r.args[i]; {
		case a.AnyOrder:
		case r.takes(i, text):
			return i
		case r.n[i] < a.Min:
			return -1
		}
	}
	return -1
}

func (r *reading) takes(i int, text string) bool { return r.room(i) && r.args[i].Fits(text) == nil }

func (r *reading) room(i int) bool { return r.args[i].Max < 0 || r.n[i] < r.args[i].Max }

// fits reports whether text can be the next argument, and that it is firm: no directive
// can be meant, because an argument must come here, or because of its "@".
func (r *reading) fits(text string) (fits, firm bool) {
	if r.free {
		return true, false
	}
	i := r.slot(text)
	return i >= 0, i >= 0 && (r.n[i] < r.args[i].Min || r.args[i].Shape == sdk.Ref)
}

// shape returns the shape of the argument that text would be.
func (r *reading) shape(text string) sdk.Shape {
	if i := r.slot(text); i >= 0 {
		return r.args[i].Shape
	}
	return sdk.Free
}

// take counts an argument. One that does not fit, which whoever checks the tree
// will say, stands for the one that should.
func (r *reading) take(text string) {
	i := r.slot(text)
	for j := r.at; i < 0 && j < len(r.args); j++ {
		if r.room(j) && !r.args[j].AnyOrder {
			i = j
		}
	}
	if r.all++; i < 0 {
		return
	}
	if r.n[i]++; !r.args[i].AnyOrder {
		r.at = i
	}
}

// missing returns the argument that is still needed, or nil.
func (r *reading) missing() *sdk.Arg {
	for i := range r.args {
		if r.n[i] < r.args[i].Min {
			return &r.args[i]
		}
	}
	return nil
}

// isNameShape reports whether an argument of this shape could be mistaken for the name
// of a directive.
func isNameShape(s sdk.Shape) bool { return s == sdk.Host || s == sdk.Proto }
