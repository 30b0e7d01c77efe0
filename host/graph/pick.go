package graph

import (
	"strings"
	"sync"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Routes are an ordered list of routes, tried from one of them on.
type Routes struct {
	list *list
	from int // the first route that is tried
}

// list is the routes of one block with what they share.
type list struct {
	routes    []Route
	instances []instance
	steps     []step
	own       bool // a phase of its own: a subroute
	limits    Limits
	memos     sync.Pool // of *Memo
}

// Route is a condition and the handlers that take what meets it.
type Route struct {
	Pos  sdk.Pos
	Name string // "@app", or "" for a route without conditions

	cond    cond
	winners []int // the instances under no negation: whose facts count
	chain   chain
	title   *string      // what the log calls it
	planner host.Planner // its only handler, if it needs no goroutine
	path    string       // where its connections live, as validate prints it
}

// NewMemo returns a memo for a connection whose facts so far are outer (nil: none)
// and binds the flow to it. Give it back with Forget.
func (rs *Routes) NewMemo(f *sdk.Flow, outer sdk.Facts) *Memo {
	m, ok := rs.list.memos.Get().(*Memo)
	if !ok {
		m = new(Memo)
	}
	m.reset(rs, outer)
	f.Bind(m)
	return m
}

// Forget takes a memo back and binds the flow to what it was bound to before.
func (rs *Routes) Forget(f *sdk.Flow, m *Memo) {
	f.Bind(m.outer)
	m.outer = nil
	rs.list.memos.Put(m)
}

// Pick returns the first route in order whose condition is met. If an earlier one
// may still be met it returns how many bytes of head that one needs, and neither
// route nor error. With final no more bytes will come: what is undecided is
// Unknown. nil, 0, nil means that no route takes the connection. An error counts
// only where every earlier route is decided.
func (rs *Routes) Pick(f *sdk.Flow, m *Memo, final bool) (r *Route, need int, err error) {
	e := evaluator{rs.list.instances, m, f, final}
	for i := range rs.list.steps {
		s := &rs.list.steps[i]
		if s.end <= rs.from {
			continue
		}
		r, answer := rs.list.try(s, &e, rs.from)
		switch {
		case answer.Err != nil:
			return nil, 0, answer.Err
		case answer.Verdict == sdk.Yes:
			return r, 0, nil
		case !answer.Decided():
			return nil, answer.Verdict.NeedBytes(), nil
		}
	}
	return nil, 0, nil
}

// Facts gives the facts of a picked route to put: those of the members of its set
// that are not negated. One with two names is given twice.
func (r *Route) Facts(m *Memo, put func(of, key string, value []byte) bool) {
	for _, inst := range r.winners {
		for i := range m.facts {
			f := &m.facts[i]
			if f.inst != inst {
				continue
			}
			in, value := &m.routes.list.instances[inst], m.arena[f.at:f.at+f.len]
			put(in.of(f.key), f.key, value)
			if of, key, ok := strings.Cut(f.key, "."); ok && in.alias(f.key) {
				put(of, key, value)
			}
		}
	}
}
