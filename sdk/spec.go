package sdk

import (
	"slices"
	"strings"
)

// Spec describes a directive once. Parsing, checking, error messages, help,
// documentation and completion all come from it.
type Spec struct {
	Name    string   // as printed and as completion offers it
	Aliases []string // other spellings; the tree keeps the one that was written
	Doc     string   // one line, without a final dot
	Args    []Arg    // what stands behind the name, in order
	Block   *Block   // nil: it takes no block
	Need    bool     // without a block it is incomplete
	Many    bool     // may be given more than once in its block
	Default string   // what holds without it, as one would write it

	// Declares marks a directive of the global block that declares matchers: its first
	// argument is NAME, and NAME and NAME.… are then matchers that take anything, in the
	// place of a builtin of that name.
	Declares bool

	Ends  bool   // handler: nothing runs behind it
	Facts []Fact // matcher or handler: what it makes known

	// Implies names an option of the same block, without arguments, that is on where
	// this one is given: fmt writes it.
	Implies string

	// Hoist marks an option that is the matcher of the same name, written inside
	// another one: both must match.
	Hoist bool
	// Negates marks an option that negates options of the matcher it stands in:
	// one behind it, or a block of them.
	Negates bool
}

// Arg describes one argument, or a run of them.
type Arg struct {
	Name  string   // as help prints it: "CIDR"
	Shape Shape    // what fits
	Words []string // Enum: the words, in any case; otherwise words allowed beside the shape ("off")
	Min   int      // at least so many
	Max   int      // at most so many; -1: any number

	AnyOrder bool // may stand anywhere behind the first argument
}

// Fact is something a matcher or handler makes known under its name and Key.
type Fact struct {
	Key, Doc string
	Asked    bool // only where the arguments ask for it: the matcher is a [FactSetter]
}

// Block describes what may stand in a block.
type Block struct {
	Options []Spec
	Holds   Holds
	Line    *Spec // a line whose name is the user's own: NAME VALUE in vars; its Name is for help
}

// Holds says what a block may hold beside options of its own.
type Holds uint8

// What a block can hold.
const (
	HoldsMatchers Holds = 1 << iota // matchers: all must match
	HoldsHandlers                   // handlers, run in order
	HoldsRoutes                     // matcher sets "@name", routes and denials
	HoldsServers                    // servers, by their addresses
)

// Grammar is everything a configuration can say.
type Grammar struct {
	Top      []Spec   // "layer4"
	Global   Spec     // the block without a name that may come first
	Server   Spec     // ADDR… { … }
	Route    Spec     // route [@name…] { … }
	Deny     Spec     // deny @name… [reset], which stands among routes; without a name: there is none
	Matchers []Spec   // what may stand in a matcher set
	Handlers []Spec   // what may stand in a route
	Declared []string // the names under which a configuration declares matchers
}

// Clone returns a grammar that can learn what a configuration declares without
// changing g.
func (g *Grammar) Clone() *Grammar {
	c := *g
	c.Matchers, c.Declared = slices.Clone(g.Matchers), slices.Clone(g.Declared)
	return &c
}

// Declare learns what a directive of the global block declares: a name that then
// stands for whatever had it before. It does nothing for other directives.
func (g *Grammar) Declare(n *Node) {
	spec := Find(g.Global.Block.Options, n.Name)
	if spec == nil || !spec.Declares || len(n.Args) == 0 {
		return
	}
	name := n.Args[0].Text
	g.Matchers = slices.DeleteFunc(g.Matchers, func(s Spec) bool { return s.Named(name) })
	if !slices.Contains(g.Declared, name) {
		g.Declared = append(g.Declared, name)
	}
}

// Owner returns the declared name that a matcher of that name belongs to, or "".
func (g *Grammar) Owner(matcher string) string {
	name, _, _ := strings.Cut(matcher, ".")
	if slices.Contains(g.Declared, name) {
		return name
	}
	return ""
}

// Find returns the spec of that name or alias, or nil.
func Find(specs []Spec, name string) *Spec {
	for i := range specs {
		if specs[i].Named(name) {
			return &specs[i]
		}
	}
	return nil
}

// Named reports whether name is the directive's name or one of its aliases.
func (s *Spec) Named(name string) bool {
	return s.Name == name || slices.Contains(s.Aliases, name)
}

// One is an argument that must be given once.
func One(name string, shape Shape) Arg { return Arg{Name: name, Shape: shape, Min: 1, Max: 1} }

// Maybe is an argument that may be given once.
func Maybe(name string, shape Shape) Arg { return Arg{Name: name, Shape: shape, Max: 1} }

// Some is a list of at least one argument.
func Some(name string, shape Shape) Arg { return Arg{Name: name, Shape: shape, Min: 1, Max: -1} }

// List is a list of arguments that may be empty.
func List(name string, shape Shape) Arg { return Arg{Name: name, Shape: shape, Max: -1} }

// Choice is one of the given words, in any case.
func Choice(name string, words ...string) Arg {
	return Arg{Name: name, Shape: Enum, Words: words, Min: 1, Max: 1}
}
