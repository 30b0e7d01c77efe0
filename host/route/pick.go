package route

import (
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// NewMemo returns a memo for a connection whose facts so far are outer (nil: none), and
// binds the flow to the memo. Forget takes the memo back.
func (rs *Routes) NewMemo(f *sdk.Flow, outer sdk.Facts) *Memo {
	m, ok := rs.list.memos.Get().(*Memo)
	if !ok {
		m = new(Memo)
	}
	m.reset(rs, outer)
	f.Bind(m)
	return m
}

// Forget takes a memo back and binds the flow to the facts that it was bound to before.
func (rs *Routes) Forget(f *sdk.Flow, m *Memo) {
	f.Bind(m.outer)
	m.outer = nil
	rs.list.memos.Put(m)
}

// Pick returns the first route in order whose condition is met, or the first deny whose
// condition is met, Unknown or an error, if that stands before it. While an earlier route
// is undecided Pick returns how many bytes of head that route needs, and neither route
// nor error. With final the head will not grow: an undecided answer becomes Unknown.
// nil, 0, nil means that no route takes the connection. An error of a route counts only
// if every earlier route is decided.
func (rs *Routes) Pick(f *sdk.Flow, m *Memo, final bool) (r *Route, need int, err error) {
	w := rs.list.begin(evaluator{rs.list.Instances, m, f, final}, rs.from)
	r, answer := w.next(rs.list)
	switch {
	case answer.Err != nil && !r.TurnsAway():
		return nil, 0, answer.Err
	case answer.Decided():
		return r, 0, nil
	}
	return nil, answer.Verdict.NeedBytes(), nil
}

// Facts calls put with each fact of a picked route: those that matchers under no
// negation have set. For a fact with two names put is called twice.
func (r *Route) Facts(m *Memo, put func(of, key string, value []byte) bool) {
	for _, inst := range r.winners {
		m.factsOf(inst, put)
	}
}

// factsOf calls put with each fact that an instance has set.
func (m *Memo) factsOf(inst int, put func(of, key string, value []byte) bool) {
	in := &m.routes.list.Instances[inst]
	for i := range m.facts.Len() {
		f := m.facts.key(i)
		if f.inst != inst {
			continue
		}
		value := m.facts.value(i)
		put(in.of(f.key), f.key, value)
		if of, key, ok := strings.Cut(f.key, "."); ok && in.Alias(f.key) {
			put(of, key, value)
		}
	}
}
