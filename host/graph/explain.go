package graph

import "dwaar.dev/dwaar/sdk"

// Explanation is how the routes of a server see one head, for people who wonder
// why a connection went where it went.
type Explanation struct {
	Routes []RouteView // all of them, also those behind the one that is picked
	Picked int         // which of them takes the connection; -1: none does, or not yet
	Need   int         // undecided: how many bytes of head in all are needed; else 0
	Err    error       // a matcher is broken, and ends the connection
	Facts  []FactView  // what the connection then has
}

// RouteView is one route and its condition.
type RouteView struct {
	Pos     sdk.Pos
	Name    string       // "@app", or ""
	Text    string       // the condition, as validate prints it
	Answer  sdk.Answer   // its value
	Members []MemberView // its matchers, in order
	Chain   string       // the handlers, one a line
	Path    string       // whether its connections live in an event loop or a goroutine, and why
}

// MemberView is one matcher of a condition and what it says.
type MemberView struct {
	Text   string
	Answer sdk.Answer
}

// FactView is the full name of a fact with its value.
type FactView struct{ Name, Value string }

// Explain tries the server's routes on the head of f as they are tried on the first
// bytes of a connection, runs no handler, and says what each matcher answered. With
// final no more bytes will come.
func (s *Server) Explain(f *sdk.Flow, final bool) Explanation {
	rs := s.routes
	m := rs.NewMemo(f, nil)
	defer rs.Forget(f, m)
	x := Explanation{Picked: -1}
	picked, need, err := rs.Pick(f, m, final)
	x.Need, x.Err = need, err
	if picked != nil {
		picked.Facts(m, func(of, key string, value []byte) bool {
			x.Facts = append(x.Facts, FactView{of + "." + key, string(value)})
			return true
		})
	}
	e := evaluator{rs.list.instances, m, f, final}
	for i := range rs.list.routes {
		r := &rs.list.routes[i]
		if r == picked {
			x.Picked = i
		}
		v := RouteView{Pos: r.Pos, Name: r.Name, Text: r.cond.text(rs.list.instances), Answer: e.eval(&r.cond), Chain: r.chain.String(), Path: r.path}
		r.cond.leaves(func(inst int) {
			v.Members = append(v.Members, MemberView{rs.list.instances[inst].text, e.ask(inst)})
		})
		x.Routes = append(x.Routes, v)
	}
	return x
}

// leaves visits the instances of a condition, those under a negation as well.
func (c *cond) leaves(visit func(inst int)) {
	if c.op == leaf {
		visit(c.inst)
	}
	for i := range c.kids {
		c.kids[i].leaves(visit)
	}
}
