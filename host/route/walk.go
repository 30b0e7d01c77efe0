package route

import (
	"slices"

	"dwaar.dev/dwaar/sdk"
)

// walk visits the routes in order, but for those that the questions of their groups
// have ruled out. Each group is asked when the walk comes to the first of its routes, so
// that the walk waits for the same bytes as one that asks every route would.
type walk struct {
	e       evaluator
	cursors []cursor
}

// cursor is where a walk is in one group.
type cursor struct {
	group *group
	rest  []int32 // routes that are still to be tried
	asked bool    // rest is what the question of the group leaves
}

// begin begins a walk at a route.
func (l *List) begin(e evaluator, from int) walk {
	m := e.memo
	m.cursors, m.found = m.cursors[:0], m.found[:0]
	if from == 0 {
		m.cursors = append(m.cursors, l.cursors...)
	} else {
		m.cursors = l.cursorsFrom(m.cursors, from)
	}
	return walk{e, m.cursors}
}

// cursorsFrom appends the cursors of a walk that begins at a route.
func (l *List) cursorsFrom(cs []cursor, from int) []cursor {
	for i := range l.groups {
		g := &l.groups[i]
		asked := g.finder == nil || g.single && int(g.routes[0]) < from // the first may be before from
		cs = append(cs, cursor{g, behind(g.routes, from), asked})
	}
	return cs
}

// behind returns the routes from one of them on.
func behind(routes []int32, from int) []int32 {
	if from == 0 {
		return routes
	}
	at, _ := slices.BinarySearch(routes, int32(from))
	return routes[at:]
}

// next returns the route that takes the connection, or the answer for which the walk
// cannot go on: an error or one that is undecided. A deny comes with the answer for which
// it turns the connection away. No means that there is no such route.
func (w *walk) next(l *List) (*Route, sdk.Answer) {
	for {
		c := w.first()
		switch {
		case c == nil:
			return nil, sdk.Answer{Verdict: sdk.No}
		case !c.asked:
			if a := w.ask(c); !a.Decided() {
				return nil, a
			}
		default:
			r := &l.Routes[c.rest[0]]
			c.rest = c.rest[1:]
			if a := w.e.eval(&r.Cond); a.Err != nil || !a.Decided() || a.Verdict == sdk.Yes || r.stops(a) {
				return r, a
			}
		}
	}
}

// first returns the cursor whose next route comes first; nil: all are at their ends.
func (w *walk) first() *cursor {
	var first *cursor
	for i := range w.cursors {
		if c := &w.cursors[i]; len(c.rest) > 0 && (first == nil || c.rest[0] < first.rest[0]) {
			first = c
		}
	}
	return first
}

// ask asks the question of a group and leaves the routes that may still match. It
// returns the answer that all of the others give, undecided only where each route of the
// group waits for it. Where other members may still say No, and where denials cannot be
// told, each route is tried.
func (w *walk) ask(c *cursor) sdk.Answer {
	c.asked = true
	no := sdk.Answer{Verdict: sdk.No}
	if head := w.e.flow.Head; c.group.first != nil && len(head) > 0 && !has(c.group.first, head[0]) {
		c.rest = nil
		return no
	}
	m, mark := w.e.memo, len(w.e.memo.found)
	found, v := c.group.finder.find(w.e.flow, m.found)
	m.found = found
	if v == sdk.Yes {
		c.rest = behind(found[mark:], int(c.rest[0]))
		return no
	}
	switch a := w.answer(v); {
	case a.Verdict == sdk.No:
		c.rest = nil
	case !c.group.pure:
	case !a.Decided():
		return a
	case !c.group.denies:
		c.rest = nil
	}
	return no
}

// answer returns what the members of a group answer whose finder says v, which is not Yes.
func (w *walk) answer(v sdk.Verdict) sdk.Answer {
	a := sdk.Answer{Verdict: lawful(v, w.e.flow)}
	if w.e.final {
		a = a.Final()
	}
	return a
}
