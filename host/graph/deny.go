package graph

import (
	"strings"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

const denyName = "deny"

// denySpec describes deny. Its sets are those of routes, and its place is among them.
func denySpec() sdk.Spec {
	return sdk.Spec{
		Name: denyName,
		Doc:  "Turns away connections that any of the named sets matches, and those of which that cannot be told when the waiting ends: what they left unsaid does not let them in. It stands among the routes, in order",
		Args: []sdk.Arg{
			sdk.Some("@name", sdk.Ref),
			{Name: "HOW", Shape: sdk.Enum, Words: []string{"reset"}, Max: 1},
		},
		Many: true,
	}
}

// denials adds a deny for each set that a directive names.
func (s *scope) denials(n *sdk.Node, c *conditions) {
	s.reachable(n, c.list)
	sets, text, reset := n.Args, denyName, false
	if last := len(sets) - 1; last >= 0 && strings.EqualFold(sets[last].Text, "reset") {
		sets, text, reset = sets[:last], text+" reset", true
	}
	s.named(sets, c, n.Pos, func(r route.Route) {
		shuts := way{shuts: true}
		c.judge(shuts)
		s.way.add(shuts)
		r.TurnAway(text, reset)
		c.append(r, fate{way: shuts})
	})
}
