package route

import (
	"fmt"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// denial is what a deny does with the connections that it turns away. Routes are tried in
// order, and so are denials, which are routes with one difference: an Unknown or an error
// of their condition counts as a match.
type denial struct {
	reset   bool  // by a reset
	matched error // how a connection ends that the condition matches
}

// TurnAway makes a deny of a route, which validate prints as text: no handler runs, and
// the connections end, with reset by a reset.
func (r *Route) TurnAway(text string, reset bool) {
	r.deny = &denial{reset: reset, matched: host.End(host.ByProxy, host.Denied, nil)}
	r.Chain = Chain{texts: []string{text}, ends: true}
}

// TurnsAway reports whether a route is a deny: no handler runs, and the connection ends.
func (r *Route) TurnsAway() bool { return r != nil && r.deny != nil }

// Resets reports whether a deny ends the connection with a reset.
func (r *Route) Resets() bool { return r.TurnsAway() && r.deny.reset }

// stops reports whether a deny turns away the connections for which its condition has an
// answer that is neither Yes nor a Need.
func (r *Route) stops(a sdk.Answer) bool {
	return r.TurnsAway() && (a.Err != nil || a.Verdict == sdk.Unknown)
}

// denied returns how a connection ends that a route has been picked for; nil: the route
// takes the connection. final is why the head will not grow, nil where it may.
func (r *Route) denied(f *sdk.Flow, m *Memo, final error) error {
	if !r.TurnsAway() {
		return nil
	}
	e := evaluator{m.routes.list.Instances, m, f, final != nil}
	answer := e.eval(&r.Cond)
	switch {
	case answer.Err != nil:
		return host.End(host.ByProxy, host.Undecided, fmt.Errorf("could not be told: %w", answer.Err))
	case answer.Verdict == sdk.Yes:
		return r.deny.matched
	}
	text := r.undecided(&e)
	if final == nil {
		return host.End(host.ByProxy, host.Undecided, fmt.Errorf("could not be told from %s", text))
	}
	return host.End(host.ByProxy, host.Undecided, fmt.Errorf("could not be told from %s: %w", text, final))
}

// undecided returns the text of the first matcher of a route that could not tell.
func (r *Route) undecided(e *evaluator) string {
	text := r.Cond.Text(e.instances)
	found := false
	r.Cond.Leaves(func(inst int) {
		if !found && e.ask(inst).Verdict == sdk.Unknown {
			text, found = e.instances[inst].Text, true
		}
	})
	return text
}

// text prints what a route demands.
func (r *Route) text(instances []Instance) string {
	text := r.Cond.Text(instances)
	if r.TurnsAway() {
		text += ", or where that cannot be told"
	}
	return text
}
