package route

import (
	"time"

	"dwaar.dev/dwaar/sdk"
)

// Phase is a matching phase of one connection under way. The owner of the connection
// calls Try, and Try again with a longer head, until Try decides, which ends the phase.
// A phase that is given up before that is ended by End.
type Phase struct {
	Final error  // why the head will not grow, so that the next Try decides; nil: it may grow
	Trail *Trail // told what was asked when the phase ends; nil: nobody wants to know

	routes *Routes
	outer  sdk.Facts
	memo   *Memo // nil: nothing was tried yet, or the phase has ended
}

// Begin begins a matching phase of a connection. outer is the facts known before the
// phase; nil: none.
func (rs *Routes) Begin(outer sdk.Facts) Phase { return Phase{routes: rs, outer: outer} }

// Try returns the route that takes the connection, and puts the route's facts into
// facts. Otherwise it returns how many bytes the head must have before the next Try; 0
// without a route means that no route takes the connection. A route with an error is a
// deny, and the error is how the connection ends.
func (p *Phase) Try(f *sdk.Flow, facts *Facts) (r *Route, need int, err error) {
	if p.memo == nil {
		p.memo = p.routes.NewMemo(f, p.outer)
	}
	r, need, err = p.routes.Pick(f, p.memo, p.Final != nil)
	if need > 0 && err == nil {
		return nil, need, nil
	}
	if r != nil {
		r.Facts(p.memo, facts.Put)
		err = r.denied(f, p.memo, p.Final)
	}
	if p.Trail != nil {
		p.Trail.record(p, f, r)
	}
	p.End(f)
	return r, 0, err
}

// End gives the memo of the phase back. It does nothing after the end.
func (p *Phase) End(f *sdk.Flow) {
	if p.memo != nil {
		p.routes.Forget(f, p.memo)
		p.memo = nil
	}
}

// Limits returns how long a matching phase with these routes may take (0: no limit),
// and whether such a phase has a deadline of its own on a head that has had one: a
// subroute's has, a chain that continues has not.
func (rs *Routes) Limits() (timeout time.Duration, own bool) {
	return rs.list.Timeout, rs.list.Own && rs.from == 0
}
