package graph

import (
	"fmt"
	"slices"
	"strings"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// maxPassing is how many warnings of closing routes one list of routes gives.
const maxPassing = 16

// maxShapes is how many kinds of routes behind a closing one are looked at: with more, a
// list of ten thousand patterns would take minutes to load.
const maxShapes = 64

// passing warns where connections get past what was to keep them out: a closing route does
// not take those of which its condition cannot be told, and a broader route behind it does.
type passing struct {
	*builder
	server *Server
}

// list looks at the routes of a list, and at those inside of them. behind reports whether a
// connection that no route of the list takes can still be let through.
func (p *passing) list(b *built, behind bool) {
	l := b.list
	behind = behind && !l.Ends()
	later := opening{behind: behind}
	found := finding{}
	for i := len(l.Routes) - 1; i >= 0; i-- {
		r := &l.Routes[i]
		p.inside(b, i, behind || later.any)
		if b.closes(i) {
			found.add(r, later.broader(b, &r.Cond, p.undecidable))
		}
		if !later.any && !behind {
			p.pointless(b, i)
		}
		if i == 0 || l.Routes[i-1].Pos != r.Pos {
			found.tell(p, r)
		}
		later.add(b, i)
	}
	if more := found.told - maxPassing; more > 0 {
		p.warnf(l.Routes[0].Pos, "%d more closing routes of this list let the same connections past", more)
	}
}

// finding is the sets of one directive, from the last one on, that let connections past.
type finding struct {
	sets []string
	to   string // who takes the connections
	told int    // directives before it that were found
}

// add adds the set of a route; to is "" if it lets nobody past.
func (f *finding) add(r *route.Route, to string) {
	if to != "" {
		f.sets, f.to = append(f.sets, r.Name), to
	}
}

// tell warns of the directive that r is the first route of, if it lets connections past.
func (f *finding) tell(p *passing, r *route.Route) {
	if len(f.sets) == 0 {
		return
	}
	if f.told++; f.told <= maxPassing {
		p.warn(r, f.sets, f.to)
	}
	f.sets = nil
}

// inside looks at the routes that the handlers of route i hold. behind reports whether a
// connection that goes on behind the route can be let through.
func (p *passing) inside(b *built, i int, behind bool) {
	steps, ends := b.fates[i].steps, b.list.Routes[i].Chain.Ends()
	for at := range steps {
		for _, rs := range steps[at].nested {
			p.list(rs, open(steps[at+1:], ends) || !ends && behind)
		}
	}
}

// open reports whether the last handlers of a chain let connections through.
func open(steps []step, ends bool) bool {
	for i := range steps {
		held := steps[i].nested
		switch {
		case steps[i].denies:
			return false
		case slices.ContainsFunc(held, (*built).opens):
			return true
		case held == nil && i == len(steps)-1 && ends:
			return true
		}
	}
	return false
}

// undecidable reports whether a matcher may be Unknown of some connection of the server.
func (p *passing) undecidable(of *look) bool {
	switch of.known {
	case sdk.KnownTime:
		return false
	case sdk.KnownRemote, sdk.KnownLocal:
		return len(p.server.unix()) > 0
	}
	return true
}

// warn warns of a closing route, by one or more sets, that connections get past.
func (p *passing) warn(r *route.Route, sets []string, to string) {
	slices.Reverse(sets)
	names := strings.Join(sets, " ")
	if !r.Chain.Ends() {
		p.warnf(r.Pos, "connections of which %s cannot be told when the waiting ends get past what this route closes, to %s: put its matchers and those of the sets inside into one set, and deny that one here", names, to)
		return
	}
	line := denyName + " " + names
	if strings.HasSuffix(strings.ToLower(r.Chain.String()), " reset") {
		line += " reset"
	}
	p.warnf(r.Pos, "connections of which %s cannot be told when the waiting ends get past this route, to %s: write %q in its place", names, to, line)
}

// pointless warns of route i if it is a deny behind which nothing lets connections through.
func (p *passing) pointless(b *built, i int) {
	all := b.list.Routes
	if !all[i].TurnsAway() || all[i].Resets() || i > 0 && all[i-1].Pos == all[i].Pos {
		return // no deny that keeps anybody out, or not its first set, which speaks for all
	}
	for j := range i {
		if b.fates[j].way.opens {
			p.warnf(all[i].Pos, "this deny comes too late: the route at %s takes its connections before, and nothing behind lets any in: move the deny before the routes that it is to guard", all[j].Pos)
			return
		}
	}
}

// opening is the routes behind one, as far as they let connections through.
type opening struct {
	behind bool
	any    bool
	always sdk.Pos           // of one that takes every connection; zero: none does
	shapes map[string]*shape // of the others, by how their conditions look
}

// shape is how the condition of a route looks.
type shape struct {
	looks []look  // what may not be Unknown where the condition is met
	at    sdk.Pos // of the first route that looks so
}

// add adds route i, which stands before those that are there.
func (o *opening) add(b *built, i int) {
	r := &b.list.Routes[i]
	if !b.fates[i].way.opens {
		return
	}
	o.any = true
	if r.Cond.Op == route.Always {
		o.always = r.Pos
		return
	}
	s := &shape{at: r.Pos}
	strict(&r.Cond, func(inst int, yes bool) {
		of := b.looks[inst]
		if !yes {
			of.first = nil
		}
		s.looks = append(s.looks, of)
	})
	slices.SortFunc(s.looks, func(a, b look) int { return strings.Compare(a.kind, b.kind) })
	key := ""
	for _, of := range s.looks {
		key += fmt.Sprintln(of.kind, of.first != nil)
	}
	if o.shapes == nil {
		o.shapes = map[string]*shape{}
	}
	if o.shapes[key] != nil || len(o.shapes) < maxShapes {
		o.shapes[key] = s
	}
}

// strict visits the instances that say Yes, or No, where a condition is met.
func strict(k *route.Cond, visit func(inst int, yes bool)) {
	switch {
	case k.Op == route.Leaf:
		visit(k.Inst, true)
	case k.Op == route.Not && k.Kids[0].Op == route.Leaf:
		visit(k.Kids[0].Inst, false)
	case k.Op == route.All:
		for i := range k.Kids {
			strict(&k.Kids[i], visit)
		}
	}
}

// broader says which of the routes may take a connection of which a condition cannot be
// told, or returns "".
func (o *opening) broader(b *built, k *route.Cond, undecidable func(*look) bool) string {
	var looks []look
	k.Leaves(func(inst int) {
		if of := &b.looks[inst]; undecidable(of) {
			looks = append(looks, *of)
		}
	})
	switch {
	case len(looks) == 0:
		return ""
	case o.always != sdk.Pos{}:
		return fmt.Sprintf("the route at %s", o.always)
	case o.behind:
		return "what stands behind the subroute"
	}
	var first *shape
	for _, s := range o.shapes {
		if s.takes(looks) && (first == nil || before(s.at, first.at)) {
			first = s
		}
	}
	if first == nil {
		return ""
	}
	return fmt.Sprintf("the route at %s", first.at)
}

// takes reports whether a condition of this shape can be met where one of the matchers is
// Unknown: it is no such matcher itself, and says Yes to none of the first bytes to which
// that one does not say No.
func (s *shape) takes(unknown []look) bool {
	return slices.ContainsFunc(unknown, func(u look) bool {
		return !slices.ContainsFunc(s.looks, func(own look) bool {
			return covers(own.kind, u.kind) || apart(own.first, u.first)
		})
	})
}

// apart reports whether two sets of bytes have none in common; nil is all bytes.
func apart(a, b *[4]uint64) bool {
	if a == nil || b == nil {
		return false
	}
	for i := range a {
		if a[i]&b[i] != 0 {
			return false
		}
	}
	return true
}

// before reports whether a stands before b in a file.
func before(a, b sdk.Pos) bool {
	if a.Line != b.Line {
		return a.Line < b.Line
	}
	return a.Col < b.Col
}
