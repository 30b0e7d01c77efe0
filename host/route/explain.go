package route

import (
	"errors"

	"dwaar.dev/dwaar/sdk"
)

// Explanation is how routes see one head, for people who wonder
// why a connection went where it went.
type Explanation struct {
	Routes []RouteView // all of them, also those behind the one that is picked
	Picked int         // which of them takes the connection; -1: none does, or not yet
	Need   int         // undecided: how many bytes of head in all are needed; else 0
	Err    error       // a matcher is broken, and ends the connection
	Denied error       // how the connection ends, where a deny is picked
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
	Deny    bool         // a deny: it turns connections away, also those of which Answer is Unknown or an error
	Path    string       // whether its connections live in an event loop or a goroutine, and why
}

// MemberView is one matcher of a condition and what it says.
type MemberView struct {
	Text   string
	Answer sdk.Answer
}

// FactView is the full name of a fact with its value.
type FactView struct{ Name, Value string }

// errNoMore is why an explained head will not grow.
var errNoMore = errors.New("no more bytes come")

// Explain tries the routes on the head of f as they are tried on the first bytes of a
// connection, runs no handler, and says what each matcher answered. With final no more
// bytes will come.
func (rs *Routes) Explain(f *sdk.Flow, final bool) Explanation {
	m := rs.NewMemo(f, nil)
	defer rs.Forget(f, m)
	x := Explanation{Picked: -1}
	picked, need, err := rs.Pick(f, m, final)
	x.Need, x.Err = need, err
	if picked != nil {
		var why error
		if final {
			why = errNoMore
		}
		x.Denied = picked.denied(f, m, why)
		picked.Facts(m, func(of, key string, value []byte) bool {
			x.Facts = append(x.Facts, FactView{of + "." + key, string(value)})
			return true
		})
	}
	e := evaluator{rs.list.Instances, m, f, final}
	for i := range rs.list.Routes {
		r := &rs.list.Routes[i]
		if r == picked {
			x.Picked = i
		}
		v := RouteView{Pos: r.Pos, Name: r.Name, Text: r.text(rs.list.Instances), Deny: r.TurnsAway(), Answer: e.eval(&r.Cond), Chain: r.Chain.String(), Path: r.path}
		r.Cond.Leaves(func(inst int) {
			v.Members = append(v.Members, MemberView{rs.list.Instances[inst].Text, e.ask(inst)})
		})
		x.Routes = append(x.Routes, v)
	}
	return x
}
