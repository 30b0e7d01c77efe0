package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dwaar.dev/dwaar/host/explain"
)

// printExplained prints what becomes of a connection as a tree: each phase is below the route
// that leads to it.
func (a *app) printExplained(r *explain.Report) {
	from := ""
	if r.Client != "" {
		from = " from " + r.Client
	}
	fmt.Fprintf(a.out, "%s, %d bytes%s\n", r.Listener, r.Bytes, from)
	t := tree{app: a, painter: a.painter(a.out)}
	for i := range r.Phases {
		t.phase(&r.Phases[i])
		t.indent += "     "
	}
	t.indent = strings.TrimSuffix(t.indent, "     ")
	switch len(r.Upstreams) {
	case 0:
		t.line("%s", t.paint(bold, r.End))
	case 1:
		t.line("%s", t.paint(bold, "it is sent to "+r.Upstreams[0]))
	default:
		t.line("%s", t.paint(bold, "it is sent to one of "+strings.Join(r.Upstreams, ", ")))
	}
}

// tree prints lines below each other.
type tree struct {
	*app
	painter
	indent string
}

func (t *tree) line(format string, args ...any) {
	fmt.Fprintf(t.out, "%s%s\n", t.indent, fmt.Sprintf(format, args...))
}

// phase prints one matching phase and what it came to.
func (t *tree) phase(p *explain.Phase) {
	if p.On != "the first bytes" {
		t.line("%s", t.paint(bold, fmt.Sprintf("on %s (%d)", p.On, p.Bytes)))
	} else {
		fmt.Fprintln(t.out)
	}
	for i := range p.Routes {
		t.route(&p.Routes[i])
	}
	for _, l := range p.Logs {
		t.line("     %s logs %s: %s", dash(l.Matcher), l.Level, l.Message)
	}
	if p.Cut != "" {
		t.line("%s", t.paint(red, p.Cut))
	}
	t.conclusion(p)
}

// route prints a route with what its matchers say.
func (t *tree) route(r *explain.Route) {
	name, why := "", ""
	if r.Name != "" {
		name = "  (" + r.Name + ")"
	}
	if len(r.Members) == 1 {
		why = reason(&r.Members[0])
	}
	t.line("%d. %s%s: %s%s", r.Number, r.Condition, name, t.answer(r.Answer), why)
	if len(r.Members) < 2 {
		return
	}
	for i := range r.Members {
		m := &r.Members[i]
		t.line("     %s: %s%s", m.Matcher, t.answer(m.Answer), reason(m))
	}
}

// reason says behind an answer what it rests on.
func reason(m *explain.Member) string {
	if m.Why == "" {
		return ""
	}
	return ", " + m.Why
}

// conclusion says what a phase came to.
func (t *tree) conclusion(p *explain.Phase) {
	before := ""
	if p.Need > 0 {
		before = fmt.Sprintf("undecided: dwaar waits for at least %d more; if no more come, ", p.Need-p.Bytes)
	}
	switch {
	case p.Error != "":
		t.line("%s%s", before, t.paint(red, "the connection is closed: "+p.Error))
	case p.Route == 0:
		t.line("%sno route takes the connection", before)
	case p.Denied:
		doubt := ""
		if p.Doubt != "" {
			doubt = ": it " + p.Doubt
		}
		t.line("%s%s", before, t.paint(bold, fmt.Sprintf("deny %d at %s turns the connection away%s", p.Route, p.At, doubt)))
	default:
		t.line("%s%s", before, t.paint(bold, fmt.Sprintf("route %d at %s takes the connection", p.Route, p.At)))
	}
	for _, h := range p.Chain {
		t.line("     %s", h)
	}
	if p.Path != "" {
		t.line("     runs %s", p.Path)
	}
	t.facts(p.Facts, "is")
	t.facts(p.Seen, "was seen:")
}

// facts prints facts by their names, those values that a client sent quoted.
func (t *tree) facts(facts map[string]string, is string) {
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		t.line("{%s} %s %+q", name, is, facts[name])
	}
}
