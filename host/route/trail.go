package route

import (
	"errors"

	"dwaar.dev/dwaar/sdk"
)

// Trail is what the matchers of a connection answered, also those of routes that did not
// take it, and what was read on the way to no route or to one without conditions. Nothing
// in a Trail refers to a graph but the texts of matchers. The zero value is empty; Reset
// keeps its memory for another connection.
type Trail struct {
	Asked []Asked // the first matchers that were asked, in that order, at most MaxAsked
	More  int     // how many were asked beside these
	Seen  Facts   // what was read that no matcher of the chosen route says
}

// Asked is a matcher that was asked, and its last answer.
type Asked struct {
	Matcher string // as validate prints it
	Answer  sdk.Answer
}

// MaxAsked is how many matchers a Trail keeps.
const MaxAsked = 32

// Reset forgets everything and keeps the memory.
func (t *Trail) Reset() {
	clear(t.Asked)
	t.Asked, t.More = t.Asked[:0], 0
	t.Seen.Reset()
}

// record adds what was asked in a phase that ends with a route; nil: with none.
func (t *Trail) record(p *Phase, f *sdk.Flow, r *Route) {
	l, m := p.routes.list, p.memo
	for _, i := range m.asked {
		if len(t.Asked) == MaxAsked {
			t.More++
			continue
		}
		a := m.entry(int(i)).answer
		if a.Err != nil {
			a.Err = errors.New(a.Err.Error()) // the error of a plugin may hold its module
		}
		t.Asked = append(t.Asked, Asked{l.Instances[i].Text, a})
	}
	if len(f.Head) > 0 && (r == nil || len(r.winners) == 0) {
		t.see(&evaluator{l.Instances, m, f, p.Final != nil})
	}
}

// see asks what the protocols that the routes ask for are without their conditions, and
// keeps what is read then: a connection whose server name no route has is one of tls, with
// that name. Nothing is parsed that was not parsed for the routes.
func (t *Trail) see(e *evaluator) {
	said := ""
	for _, inst := range e.memo.routes.list.Seen {
		if e.instances[inst].Name == said {
			continue // by the one that waits for more facts
		}
		if a := e.ask(inst); a.Err == nil && a.Verdict > 0 {
			e.memo.factsOf(inst, t.Seen.Put)
			said = e.instances[inst].Name
		}
	}
}
