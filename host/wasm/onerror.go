package wasm

import (
	"dwaar.dev/dwaar/sdk"
)

// answers refuses an on_error that lets clients in whom the matcher was to keep out:
// an answer that was never given must not open a door. "no_match" does under not, and
// in a set whose route closes; "match" does everywhere else.
func (p *Plugin) answers(tree []sdk.Node) error {
	if p.OnError == OnErrorClose || p.unsafe {
		return nil
	}
	a := &answering{plugin: p}
	each(tree, a.block)
	return a.errs.Err()
}

// answering looks for the places of a plugin's matchers.
type answering struct {
	plugin *Plugin
	errs   sdk.Errors
}

// block looks at what may hold matcher sets and the routes that use them.
func (a *answering) block(n *sdk.Node) {
	for i := range n.Block {
		set := &n.Block[i]
		if len(set.Name) < 2 || set.Name[0] != '@' || n.Name == "" {
			continue
		}
		opens, closes := uses(n, set.Name)
		if closes {
			a.set(set, true)
		}
		if opens {
			a.set(set, false)
		}
	}
}

// uses says whether a set leads to routes that close and to others.
func uses(block *sdk.Node, set string) (opens, closes bool) {
	for _, route := range block.All("route") {
		for _, w := range route.Args {
			if w.Text != set {
				continue
			}
			if route.Find("close") != nil {
				closes = true
			} else {
				opens = true
			}
		}
	}
	return opens, closes
}

// set looks at the matchers of a set. matching says that it is the safe answer: the
// route closes, or the matcher stands under not.
func (a *answering) set(n *sdk.Node, matching bool) {
	for i := range n.Block {
		m := &n.Block[i]
		if m.Name == "not" {
			a.set(m, !matching)
			continue
		}
		if !a.plugin.owns(m.Name) || matching == (a.plugin.OnError == OnErrorMatch) {
			continue
		}
		a.errs = append(a.errs, sdk.Errorf(m.Pos, "on_error %s of %s would let clients in here when the plugin fails: write on_error close, or on_error %s unsafe if that is meant",
			a.plugin.OnError, a.plugin.Name, a.plugin.OnError))
	}
}
