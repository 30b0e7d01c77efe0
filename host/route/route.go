// Package route is the routes of a server or a subroute as they are run: it picks the
// route that takes a connection, and runs the handlers of the route. Package graph
// compiles a configuration to a [List]; a session asks the [Routes] made of it:
//
//	phase := routes.Begin(nil)
//	for {
//		r, need, err := phase.Try(&flow, &facts)
//		if need == 0 || err != nil {
//			return r, err // nil, nil: no route takes the connection; both: a deny turns it away
//		}
//		… // receive until flow.Head has need bytes; if none come, phase.Final is why
//	}
//
// A route has a condition ([Cond]) over matchers ([Instance]), and a [Chain] of handlers.
// A [Memo] remembers what the matchers of one connection have said. Routes that compare
// one key with names, patterns or ranges, or begin with the same bytes, are a group: one
// question to the connection leaves those that can match, and only they are tried.
package route

import (
	"strings"
	"sync"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// Routes are an ordered list of routes, tried from one of them on. Any goroutine may
// use them.
type Routes struct {
	list *List
	from int // the first route that is tried
}

// List is the routes of one block, with the matchers that they share, while they are
// compiled. [List.Done] makes Routes of it.
type List struct {
	Routes    []Route       // in the order in which they are tried
	Instances []Instance    // the matchers of all of them, in any order
	Seen      []int         // instances that no route asks: they say what was read, see Trail
	Own       bool          // a subroute: a matching phase with a deadline of its own
	Timeout   time.Duration // of a matching phase; 0: none

	groups  []group
	cursors []cursor  // of a walk that begins at the first route
	memos   sync.Pool // of *Memo
}

// Route is a condition, and the handlers for connections that meet it.
type Route struct {
	Pos      sdk.Pos // of the directive
	Name     string  // "@app", or "" for a route without conditions
	Cond     Cond    // met by the connections that the route takes
	Chain    Chain   // what they go through
	Fallback bool    // no route of the configuration: it takes what none of them does

	deny    *denial // what turns connections away; nil: the handlers of the chain take them
	winners []int   // the instances under no negation: their facts are recorded
	title   *string // name of the route in the log
	path    string  // where the handlers run, as validate prints it
}

// Instance is one matcher with its arguments. Routes of one list that name the
// same matcher with the same arguments share it, and so its verdict.
type Instance struct {
	Name    string      // as configured: the first part of the names of its facts
	Text    string      // the matcher as validate prints it
	Matcher sdk.Matcher // asked about connections; nil only in a configuration that is refused
	Keys    []string    // keys of the facts that the description names
	Sets    []string    // full names of the facts that the arguments name
	First   *[4]uint64  // bit set of the bytes that may come first; nil: any
	Reads   bool        // the matcher reads facts of other members of its condition
	Sources []int       // the instances that supply those facts
	Inner   []string    // full names of those facts: an earlier phase supplies none of them
	Code    bool        // the number with which it says yes is its fact [CodeFact]
}

// CodeFact is the key of the fact that a memo sets for matchers whose description names
// it: those of plugins.
const CodeFact = "code"

// Cond is what a route demands: a tree over instances. The zero Cond is always
// met.
type Cond struct {
	Op   Op
	Inst int    // Leaf: which instance
	Kids []Cond // All, Not: the parts
}

// Op is what a condition makes of its parts.
type Op uint8

// The conditions.
const (
	Always Op = iota
	Leaf
	All // every kid
	Not // not its only kid
)

// Winners returns the instances that stand under no negation: those whose facts a
// connection has when the condition is met.
func (c *Cond) Winners() []int { return c.winners(nil) }

func (c *Cond) winners(to []int) []int {
	switch c.Op {
	case Leaf:
		return append(to, c.Inst)
	case All:
		for i := range c.Kids {
			to = c.Kids[i].winners(to)
		}
	}
	return to
}

// Leaves visits the instances of a condition, those under a negation as well.
func (c *Cond) Leaves(visit func(inst int)) {
	if c.Op == Leaf {
		visit(c.Inst)
	}
	for i := range c.Kids {
		c.Kids[i].Leaves(visit)
	}
}

// Text prints a condition: "tls { sni a.example.com } and not ssh".
func (c *Cond) Text(instances []Instance) string {
	switch c.Op {
	case Leaf:
		return instances[c.Inst].Text
	case All:
		parts := make([]string, len(c.Kids))
		for i := range c.Kids {
			parts[i] = c.Kids[i].Text(instances)
		}
		return strings.Join(parts, " and ")
	case Not:
		if k := &c.Kids[0]; k.Op == All {
			return "not (" + k.Text(instances) + ")"
		}
		return "not " + c.Kids[0].Text(instances)
	}
	return "everything"
}

// Done finishes a list to which nothing is added any more: every chain that does not end
// goes on with the routes behind it, and the routes are put into groups.
func (l *List) Done() *Routes {
	for i := range l.Routes {
		r := &l.Routes[i]
		r.winners = r.Cond.Winners()
		r.name()
		if !l.Own {
			r.place()
		}
		if !r.Chain.ends && i+1 < len(l.Routes) {
			r.Chain.rest = &Routes{list: l, from: i + 1}
		}
	}
	l.index()
	return &Routes{list: l}
}

// Last returns the route that was added last; nil: there is none.
func (l *List) Last() *Route {
	if len(l.Routes) == 0 {
		return nil
	}
	return &l.Routes[len(l.Routes)-1]
}

// Ends reports whether the route takes every connection and ends.
func (r *Route) Ends() bool { return r.Cond.Op == Always && r.Chain.ends }

// Empty reports whether there is no route.
func (rs *Routes) Empty() bool { return len(rs.list.Routes) == 0 }

// Ends reports whether some route takes every connection and ends.
func (rs *Routes) Ends() bool { return rs.list.Ends() }

// Ends reports whether some route takes every connection and ends.
func (l *List) Ends() bool {
	last := l.Last()
	return last != nil && last.Ends()
}
