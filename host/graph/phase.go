package graph

import (
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Phase is a matching phase of one connection under way. Whoever has the connection
// asks Try, and Try again with a longer head, until it says what becomes of it, and
// then it is over; a phase that is given up before is ended by End.
type Phase struct {
	Final bool // the head will not grow: the next Try decides

	routes *Routes
	memo   *Memo
}

// Begin begins a phase. f is the connection's flow, outer what was known of it before;
// nil: nothing.
func (rs *Routes) Begin(f *sdk.Flow, outer sdk.Facts) Phase {
	return Phase{routes: rs, memo: rs.NewMemo(f, outer)}
}

// Try returns the route that takes the connection, with its facts put into facts; or
// how many bytes its head must have in all before that can be said; or, with neither,
// that no route takes it.
func (p *Phase) Try(f *sdk.Flow, facts *host.Facts) (r *Route, need int, err error) {
	r, need, err = p.routes.Pick(f, p.memo, p.Final)
	if need > 0 && err == nil {
		return nil, need, nil
	}
	if r != nil {
		r.Facts(p.memo, facts.Put)
	}
	p.End(f)
	return r, 0, err
}

// End ends the phase, if it is under way.
func (p *Phase) End(f *sdk.Flow) {
	if p.memo != nil {
		p.routes.Forget(f, p.memo)
		p.memo = nil
	}
}

// Limits returns how long a matching phase with the routes may take, 0 is without
// end; and whether it is one of its own, on bytes that have had one.
func (rs *Routes) Limits() (timeout time.Duration, own bool) {
	return rs.list.limits.MatchingTimeout, rs.list.own && rs.from == 0
}
