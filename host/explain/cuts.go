package explain

import (
	"cmp"
	"fmt"
	"io"
	"maps"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// maxCuts is how many ways to cut a head in two are tried. Of longer heads every cut of the
// first half of them is tried, and the others evenly.
const maxCuts = 16 << 10

// outcome is what a phase comes to.
type outcome struct {
	route *route.Route
	err   string
	facts map[string]string
}

// cuts tries a phase with the head in pieces, and returns how it was cut where something
// else came of it; "": it never does.
func (c *conn) cuts(rs *route.Routes, whole *route.Explanation) string {
	want := outcome{route: whole.Route, facts: values(whole.Facts)}
	if whole.Err != nil {
		want.err = whole.Err.Error()
	}
	ends := c.ends()
	for i, step := 0, 1; i+1 < len(ends); i += step {
		if got := c.pieces(rs, []int{0, ends[i], ends[len(ends)-1]}); !got.equals(&want) {
			return fmt.Sprintf("cut behind byte %d: %s", ends[i], got.differs(&want))
		}
		if i > maxCuts/2 {
			step = max(len(ends)/(maxCuts/2), 1)
		}
	}
	if got := c.pieces(rs, append([]int{0}, ends...)); !got.equals(&want) {
		return "cut behind every byte: " + got.differs(&want)
	}
	return ""
}

// ends returns where the head can be cut: behind every byte, or every datagram.
func (c *conn) ends() []int {
	if c.flow.Bounds != nil {
		return c.flow.Bounds
	}
	ends := make([]int, len(c.flow.Head))
	for i := range ends {
		ends[i] = i + 1
	}
	return ends
}

// pieces runs a phase with a head that grows in these steps and then no more, as a session
// does: the routes are tried once there are as many bytes as they need.
func (c *conn) pieces(rs *route.Routes, ends []int) outcome {
	f := c.flow.Fresh()
	p := rs.Begin(c)
	defer p.End(&f)
	var facts route.Facts
	need := 0
	for _, end := range ends {
		if c.flow.Bounds == nil && end < need {
			continue
		}
		c.grow(&f, end)
		r, more, err := p.Try(&f, &facts)
		if more == 0 || err != nil {
			return outcomeOf(r, err, &facts)
		}
		need = more
	}
	c.grow(&f, len(c.flow.Head))
	p.Final = io.EOF
	r, _, err := p.Try(&f, &facts)
	return outcomeOf(r, err, &facts)
}

// grow gives f the head up to one of its ends.
func (c *conn) grow(f *sdk.Flow, end int) {
	f.Head = c.flow.Head[:end:end]
	for i, bound := range c.flow.Bounds {
		if bound <= end {
			f.Bounds = c.flow.Bounds[: i+1 : i+1]
		}
	}
}

func outcomeOf(r *route.Route, err error, facts *route.Facts) outcome {
	o := outcome{route: r, facts: maps.Collect(facts.All())}
	if err != nil {
		o.err = err.Error()
	}
	return o
}

func (o *outcome) equals(p *outcome) bool {
	return o.route == p.route && o.err == p.err && maps.Equal(o.facts, p.facts)
}

// differs says what else came of the pieces than of the whole.
func (o *outcome) differs(whole *outcome) string {
	switch {
	case o.route != whole.route:
		return fmt.Sprintf("%s takes the connection, and %s if the bytes come at once", o.name(), whole.name())
	case o.err != whole.err:
		return fmt.Sprintf("the error is %q, and %q if the bytes come at once", o.err, whole.err)
	}
	return fmt.Sprintf("the facts are %v, and %v if the bytes come at once", o.facts, whole.facts)
}

func (o *outcome) name() string {
	if o.route == nil {
		return "no route"
	}
	return "route " + cmp.Or(o.route.Name, o.route.Pos.String())
}
