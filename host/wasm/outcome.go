package wasm

import (
	"errors"

	"dwaar.dev/dwaar/host/wasm/record"
	"dwaar.dev/dwaar/sdk"
)

// Evaluation is what came of asking a matcher once.
type Evaluation struct {
	Verdict sdk.Verdict
	Facts   []record.Fact // of a yes; their names are keys
	Fuel    int64         // units it took
	Budget  int64         // units it could take
	Err     error         // an *[Error]: there is no verdict, whatever on_error says
}

// Evaluate asks the matcher about a connection as Match does, for tools: nothing is
// counted, recorded or told to the flow, what the connection has left does not
// matter, and on_error neither.
func (m *Matcher) Evaluate(f *sdk.Flow) Evaluation {
	e := Evaluation{Budget: m.plugin.budget(len(f.Head))}
	o, err := m.try(f, e.Budget, aloud)
	e.Err = err
	if err == nil {
		e.Verdict = verdict(o.Answer, f)
	}
	e.Facts, e.Fuel = o.Facts, o.Fuel
	return e
}

// Whether what a guest logs is passed on.
const (
	aloud = false
	muted = true
)

// try evaluates with so much fuel, apart from everything that connections do.
func (m *Matcher) try(f *sdk.Flow, fuel int64, mute bool) (record.Outcome, error) {
	pool := m.pool()
	in, err := pool.get()
	if err != nil {
		return record.Outcome{}, err
	}
	defer pool.put(in)
	in.mute = mute
	answer, used, err := in.evaluate(m, f, fuel)
	in.mute = aloud
	var o record.Outcome
	in.outcome(&o, answer, used, err)
	return o, err
}

// pool is where the matcher's instances are.
func (m *Matcher) pool() *pool {
	if m.config.own != nil {
		return m.config.own
	}
	return m.module.pool
}

// outcome copies what came of the instance's evaluation, before another one begins.
func (in *instance) outcome(o *record.Outcome, answer int32, used int64, err error) {
	*o = record.Outcome{Facts: o.Facts[:0], Fuel: used}
	if err != nil {
		o.Error, o.Text = Trap.String(), err.Error()
		if e, ok := errors.AsType[*Error](err); ok {
			o.Error = e.Kind.String()
		}
		return
	}
	o.Answer = answer
	if answer <= 0 {
		return
	}
	for i, f := range in.facts.list {
		o.Facts = record.AppendFact(o.Facts, f.key, in.facts.value(i))
	}
}
