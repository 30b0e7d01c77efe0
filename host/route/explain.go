package route

import (
	"errors"
	"sort"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Explanation is how the routes of a matching phase see one head, for people who wonder
// why a connection went where it went.
type Explanation struct {
	Routes []RouteView // all of them, also those behind the one that is picked
	Picked int         // which of them takes the connection; -1: none does, or not yet
	Need   int         // undecided: how many bytes of head in all are needed; else 0
	Err    error       // a matcher is broken, and ends the connection
	Denied error       // how the connection ends, where a deny is picked
	Facts  []FactView  // what the connection then has
	Seen   []FactView  // what was read all the same, where no route or one without conditions takes it
	Route  *Route      // the one that is picked; nil: none
}

// RouteView is one route and its condition.
type RouteView struct {
	Pos     sdk.Pos
	Number  int          // its place in its block, from 1
	Name    string       // "@app", or ""
	Text    string       // the condition, as validate prints it
	Answer  sdk.Answer   // its value
	Members []MemberView // its matchers, in order
	Chain   string       // the handlers, one a line
	Deny    bool         // a deny: it turns connections away, also those of which Answer is Unknown or an error
	Path    string       // whether its connections live in an event loop or a goroutine, and why
}

// MemberView is one matcher of a condition, what it says, and why.
type MemberView struct {
	Text   string     // as validate prints it
	Name   string     // of the matcher
	Answer sdk.Answer // to the head as it is
	Why    string     // what the answer rests on: "the name is c.example.com"; "": only the bytes say

	at func() int
}

// DecidedAt returns the byte of the head, from 1, with which the matcher came to its No; 0:
// there is no such byte. It asks the matcher again, about beginnings of the head, which
// stays as it was for Explain.
func (v *MemberView) DecidedAt() int {
	if v.at == nil {
		return 0
	}
	return v.at()
}

// FactView is the full name of a fact with its value.
type FactView struct{ Name, Value string }

// errNoMore is why an explained head will not grow.
var errNoMore = errors.New("no more bytes come")

// Explain tries the routes on the head of f as they are tried on the bytes of a
// connection, runs no handler, and says what each matcher answered, and why. outer is the
// facts of the connection so far; nil: none. With final no more bytes will come.
func (rs *Routes) Explain(f *sdk.Flow, outer sdk.Facts, final bool) Explanation {
	m := rs.NewMemo(f, outer)
	defer rs.Forget(f, m)
	x := Explanation{Picked: -1}
	x.Route, x.Need, x.Err = rs.Pick(f, m, final)
	if x.Route != nil {
		var why error
		if final {
			why = errNoMore
		}
		x.Denied = x.Route.denied(f, m, why)
		x.Route.Facts(m, func(of, key string, value []byte) bool {
			x.Facts = append(x.Facts, FactView{of + "." + key, string(value)})
			return true
		})
	}
	e := &evaluator{rs.list.Instances, m, f, final}
	for i := rs.from; i < len(rs.list.Routes); i++ {
		r := &rs.list.Routes[i]
		if r == x.Route {
			x.Picked = len(x.Routes)
		}
		v := RouteView{
			Pos: r.Pos, Number: i + 1, Name: r.Name, Text: r.text(rs.list.Instances), Deny: r.TurnsAway(), Answer: e.eval(&r.Cond),
			Chain: r.Chain.String(), Path: r.path,
		}
		r.Cond.Leaves(func(inst int) { v.Members = append(v.Members, e.view(inst)) })
		x.Routes = append(x.Routes, v)
	}
	x.seen(e)
	return x
}

// seen fills in what was read on the way to no route, or to one without conditions.
func (x *Explanation) seen(e *evaluator) {
	if x.Need > 0 || len(e.flow.Head) == 0 || x.Route != nil && len(x.Route.winners) > 0 {
		return
	}
	var t Trail
	t.see(e)
	for name, value := range t.Seen.All() {
		x.Seen = append(x.Seen, FactView{name, value})
	}
	sort.Slice(x.Seen, func(i, j int) bool { return x.Seen[i].Name < x.Seen[j].Name })
}

// view asks an instance and says why it answers so.
func (e *evaluator) view(inst int) MemberView {
	in := &e.instances[inst]
	v := MemberView{Text: in.Text, Name: in.Name, Answer: e.ask(inst)}
	if v.Answer.Err != nil || in.Matcher == nil {
		return v
	}
	if v.Why = e.why(inst); v.Why == "" && v.Answer.Verdict == sdk.No && !in.Reads && e.flow.Bounds == nil {
		f := e.flow.Fresh()
		head := e.flow.Head
		v.at = func() int { return decidedAt(in.Matcher, &f, head) }
	}
	return v
}

// why says what an instance looked at: as its matcher says it, what the facts are that it
// reads, or what the matcher without its conditions reads in the same bytes.
func (e *evaluator) why(inst int) string {
	in := &e.instances[inst]
	if x, ok := in.Matcher.(sdk.Explainer); ok {
		return x.Explain(e.flow)
	}
	if r, ok := in.Matcher.(sdk.FactReader); ok && in.Reads {
		return e.readings(inst, r)
	}
	var said []string
	for _, i := range e.memo.routes.list.Seen {
		if e.instances[i].Name != in.Name || said != nil {
			continue
		}
		if a := e.ask(i); a.Err == nil && a.Verdict > 0 {
			e.memo.factsOf(i, func(of, key string, value []byte) bool {
				said = append(said, "{"+of+"."+key+"} is "+sdk.Shown(value))
				return true
			})
		}
	}
	return strings.Join(said, ", ")
}

// readings says what the facts are that an instance reads.
func (e *evaluator) readings(inst int, r sdk.FactReader) string {
	e.memo.begin(inst)
	var said []string
	for _, name := range r.Reads() {
		value, ok := e.flow.Get(name)
		if ok {
			said = append(said, "{"+name+"} is "+sdk.Shown(value))
		} else {
			said = append(said, "{"+name+"} is not there")
		}
	}
	return strings.Join(said, ", ")
}

// decidedAt returns the length of the shortest head to which a matcher says No. A No is
// final, so that it can be searched for.
func decidedAt(m sdk.Matcher, f *sdk.Flow, head []byte) int {
	return sort.Search(len(head), func(n int) bool {
		f.Rehead(head[:n:n])
		v, err := m.Match(f)
		return err == nil && v == sdk.No
	})
}
